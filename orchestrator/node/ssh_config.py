"""What ~/.ssh/config says of a host, as `ssh` would read it."""

import getpass
import os
import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path

import paramiko
from paramiko.ssh_exception import CouldNotCanonicalize

from orchestrator.errors import SpecError

Entry = Mapping[str, object]

_KEYWORD = re.compile(r"\s*(\w+)\s*[=\s]\s*(.*)")
_VARIABLE = re.compile(r"\$\{(\w+)\}|%(.)")
_DEEPEST = 16  # files including files; as in ssh


class SshConfig:
    """One configuration file with all that it includes."""

    def __init__(self, path: Path) -> None:
        """Read the file; a file that is not there says nothing."""
        self._path = path
        self._parsed = paramiko.SSHConfig()
        try:
            self._parsed.parse(_lines(path, 0) if path.is_file() else ())
        except (paramiko.ConfigParseError, OSError, ValueError) as error:
            raise self._unreadable(error) from None

    def lookup(self, host: str) -> Entry:
        """All keywords that hold for a host, in lower case."""
        try:
            return self._parsed.lookup(host)
        except (CouldNotCanonicalize, KeyError, ValueError) as error:
            raise self._unreadable(error) from None
        except ImportError:
            raise self._unreadable("sparkctl does not run the commands of `Match exec`") from None

    def _unreadable(self, why: object) -> SpecError:
        return SpecError(
            f"{self._path} cannot be read",
            details=str(why),
            resolution="Mend the line; `ssh -G any-host` shows what ssh makes of the file.",
        )


def expanded(text: str, entry: Entry, host: str) -> str:
    """`~`, `${VARIABLE}` and the % tokens that say who connects where."""
    tokens = {
        "%": "%",
        "d": str(Path.home()),
        "h": str(entry.get("hostname", host)),
        "i": str(os.getuid()),
        "n": host,
        "p": str(entry.get("port", 22)),
        "r": str(entry.get("user") or getpass.getuser()),
        "u": getpass.getuser(),
    }

    def replaced(found: re.Match[str]) -> str:
        if found[1]:
            return os.environ.get(found[1], "")
        return tokens.get(found[2], found[0])

    return str(Path(_VARIABLE.sub(replaced, text)).expanduser())


def _lines(path: Path, depth: int) -> Iterator[str]:
    """The lines of a file, with those of other files in the place of `Include`."""
    if depth > _DEEPEST:
        raise ValueError(f"the Include of {path} goes in a circle")
    block = "Host *"  # what the lines belong to; an included file has blocks of its own
    for line in path.read_text(encoding="utf-8").splitlines():
        found = _KEYWORD.fullmatch(line)
        keyword = found[1].lower() if found else ""
        if found is None or keyword != "include":
            block = line if keyword in ("host", "match") else block
            yield line
            continue
        for pattern in shlex.split(found[2]):
            place = Path("~/.ssh").expanduser() / Path(pattern).expanduser()
            for file in sorted(Path(place.anchor).glob(str(place.relative_to(place.anchor)))):
                yield from _lines(file, depth + 1)
        yield block
