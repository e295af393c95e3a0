"""How a user gets into the nodes: a key pair, a sudo password, and the nodes' host keys."""

import secrets
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from docker.models.containers import Container

from orchestrator.lab.cluster_file import USER
from orchestrator.lab.context import archive
from orchestrator.lab.execute import run
from orchestrator.lab.ports import LOOPBACK

UID = 1000
"""Of the nodes' user."""


@dataclass(frozen=True)
class Access:
    """The files of one lab's state folder."""

    folder: Path

    @property
    def key(self) -> Path:
        """Private key (ed25519, no passphrase); the public one is beside it."""
        return self.folder / "id_ed25519"

    @property
    def known_hosts(self) -> Path:
        """The nodes' real host keys."""
        return self.folder / "known_hosts"

    @property
    def password_file(self) -> Path:
        """The sudo password of the nodes' user."""
        return self.folder / "sudo-password"

    @property
    def public_key(self) -> str:
        """One line for authorized_keys."""
        return self.key.with_suffix(".pub").read_text(encoding="utf-8")

    @property
    def password(self) -> str:
        """The sudo password."""
        return self.password_file.read_text(encoding="utf-8").strip()


def ensure(folder: Path) -> Access:
    """The state folder with a key pair and a password; what is already there stays."""
    access = Access(folder)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not (access.key.exists() and access.key.with_suffix(".pub").exists()):
        key = Ed25519PrivateKey.generate()
        private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
        public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
        _write_secret(access.key, private.decode())
        access.key.with_suffix(".pub").write_text(f"{public.decode()} sparkctl-lab\n", "utf-8")
    if not access.password_file.exists():
        _write_secret(access.password_file, secrets.token_urlsafe(12) + "\n")
    return access


def _write_secret(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    path.touch(mode=0o600, exist_ok=False)
    path.write_text(text, encoding="utf-8")


def known_hosts(host_keys: dict[int, list[str]]) -> str:
    """The text of a known_hosts file: port on the loopback address -> public host keys."""
    return "".join(
        f"[{LOOPBACK}]:{port} {' '.join(key.split()[:2])}\n"
        for port, keys in sorted(host_keys.items())
        for key in keys
    )


def grant(container: Container, access: Access) -> list[str]:
    """Let the holder of `access` in, and set the sudo password; the node's public host keys."""
    home = f"/home/{USER}/.ssh"
    run(container, "install", "-d", "-m", "700", "-o", USER, "-g", USER, home)
    keys = {"authorized_keys": access.public_key.encode()}
    container.put_archive(home, archive(keys, owner=UID))
    login = {"LOGIN": f"{USER}:{access.password}"}
    # A cheap hash: sudo checks it at every step, and the usual one costs 80 ms of computing each.
    run(container, "sh", "-c", 'printf "%s" "$LOGIN" | chpasswd -c SHA512 -s 1000', env=login)
    return run(container, "sh", "-c", "cat /etc/ssh/ssh_host_*_key.pub").splitlines()
