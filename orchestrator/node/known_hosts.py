"""A machine's host keys in known_hosts files, read as `ssh` reads them."""

import base64
import hashlib
import hmac
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from orchestrator.node.ssh_config.patterns import matches_list


@dataclass(frozen=True)
class KnownKey:
    """One line that speaks of the host."""

    file: Path
    line: int
    kind: str
    key: str
    """In base64, as the file has it."""
    revoked: bool


@dataclass(frozen=True)
class Known:
    """The entries of the known-hosts files for a machine."""

    keys: list[KnownKey]
    without_port: list[KnownKey]
    """Of its host alone; one of these is as good where there are none for the port."""


def host_name(host: str, port: int) -> str:
    """How known_hosts files write a host."""
    return host.lower() if port == 22 else f"[{host.lower()}]:{port}"


def known_keys(files: Iterable[Path], name: str) -> list[KnownKey]:
    """The keys of a host (`host_name`); files that are not there have none.

    Lines that ssh would not understand are skipped, as ssh does. So are certificate
    authorities: paramiko asks for no host certificates.

    Raises:
        OSError: a file cannot be read.
    """
    return [known for file in files if file.exists() for known in _lines(file, name)]


def write_down(file: Path, name: str, kind: str, key: str) -> None:
    """Add the key of a host that was never seen before."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with file.open("a+b") as known:
        known.seek(0)
        before = known.read()
        gap = b"" if before.endswith(b"\n") or not before else b"\n"
        known.write(gap + f"{name} {kind} {key}\n".encode())


def _lines(file: Path, name: str) -> Iterator[KnownKey]:
    text = file.read_text(encoding="utf-8", errors="replace")
    for number, line in enumerate(text.split("\n"), 1):
        fields = line.split()
        marker = fields.pop(0) if fields and fields[0].startswith("@") else ""
        if len(fields) < 3 or fields[0].startswith("#") or marker not in ("", "@revoked"):
            continue
        hosts, kind, key = fields[:3]
        if _speaks_of(hosts, name) and _is_key(key):
            yield KnownKey(file, number, kind, key, revoked=bool(marker))


def _speaks_of(hosts: str, name: str) -> bool:
    if hosts.startswith("|1|"):
        return _is_hash_of(hosts, name)
    return matches_list(hosts.lower(), name)


def _is_hash_of(hashed: str, name: str) -> bool:
    """HashKnownHosts: |1|salt|HMAC-SHA1 of the name."""
    try:
        salt, digest = (base64.b64decode(part) for part in hashed[3:].split("|"))
    except ValueError:
        return False
    return hmac.compare_digest(hmac.digest(salt, name.encode(), hashlib.sha1), digest)


def _is_key(key: str) -> bool:
    try:
        return bool(base64.b64decode(key, validate=True))
    except ValueError:
        return False
