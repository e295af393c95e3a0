"""Which keys are offered to a machine, in the order of `ssh`: the agent's, then those of files."""

import base64
import os
import socket
import stat
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import AuthenticationError
from orchestrator.node.login import AGENT_OF_THE_ENVIRONMENT, Login
from orchestrator.node.ssh_library import paramiko

Unlocked = Mapping[str, paramiko.PKey]
"""Encrypted keys that somebody gave the passphrase of, by file. They live as long as the run."""

PERSON = 60.0
"""Seconds for a person whom the agent asks: to confirm, to touch a token."""

_LISTS = 10.0  # seconds for an agent to list its keys
_MAGIC = b"openssh-key-v1\0"


@dataclass(frozen=True)
class Identity:
    """A key that can sign."""

    name: str
    """For messages."""
    key: paramiko.PKey
    from_agent: bool = False


@dataclass(frozen=True)
class Offer:
    """Everything that can be tried at one machine."""

    identities: list[Identity]
    locked: list[str]
    """Encrypted files whose passphrase nobody gave yet."""
    notes: list[str]
    """Why something is not offered that one might expect."""


class Agent(paramiko.agent.AgentSSH):
    """The agent at a socket of our choice; paramiko's own knows the environment's alone."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.settimeout(_LISTS)
            self._socket.connect(path)
            self._connect(self._socket)  # type: ignore[attr-defined]  # the stubs leave it out
        except BaseException:
            self._socket.close()
            raise
        self._socket.settimeout(PERSON)

    def close(self) -> None:
        self._socket.close()


@contextmanager
def offer(login: Login, unlocked: Unlocked) -> Iterator[Offer]:
    """The keys for a machine. The agent signs as long as the `with` block lasts."""
    path = login.agent
    if path == AGENT_OF_THE_ENVIRONMENT:
        path = os.environ.get(AGENT_OF_THE_ENVIRONMENT, "none")
    agent: Agent | None = None
    notes: list[str] = []
    if path != "none":
        try:
            agent = Agent(path)
        except (OSError, paramiko.SSHException, struct.error, TypeError) as error:
            notes.append(f"no agent answers at {path}: {error}")
    try:
        held = agent.get_keys() if agent else ()
        yield _offer(login, held, unlocked, notes)
    finally:
        if agent is not None:
            agent.close()


def _offer(
    login: Login, held: tuple[paramiko.AgentKey, ...], unlocked: Unlocked, notes: list[str]
) -> Offer:
    named = {path: public_half(path) for path in login.keys}
    wanted = list(named.values())
    ours = sorted(
        (key for key in held if key.asbytes() in wanted), key=lambda k: wanted.index(k.asbytes())
    )
    others = [] if login.only_keys else [key for key in held if key.asbytes() not in wanted]
    identities = [
        Identity(f"agent: {key.comment or key.fingerprint}", key, from_agent=True)
        for key in [*ours, *others]
    ]
    in_agent = [key.asbytes() for key in ours]
    locked: list[str] = []
    for path in (path for path, public in named.items() if public not in in_agent):
        try:
            key = unlocked.get(path) or _load(path)
            identities.append(Identity(path, key))
        except _Locked:
            locked.append(path)
        except _Unusable as error:
            notes.append(f"{path}: {error}")
    return Offer(identities, locked, notes)


class _Locked(Exception):
    pass


class _Unusable(Exception):
    pass


def unlock(path: str, passphrase: str) -> paramiko.PKey:
    """The key of an encrypted file."""
    try:
        return _load(path, passphrase)
    except (_Locked, _Unusable):
        raise AuthenticationError(
            f"the passphrase does not open the key {path}",
            details="It was tried once.",
            resolution=f"Check it with `ssh-keygen -y -f {path}`, or give the key to the agent "
            f"once: ssh-add {path}",
        ) from None


def _load(path: str, passphrase: str | None = None) -> paramiko.PKey:
    secret = None if passphrase is None else passphrase.encode()
    _ensure_private(path)
    try:
        # Bytes are what it takes, whatever its annotation is.
        return paramiko.PKey.from_path(path, secret)  # type: ignore[arg-type]
    except (TypeError, paramiko.PasswordRequiredException):
        raise _Locked from None  # "Password was not given but private key is encrypted"
    except paramiko.pkey.UnknownKeyType:
        raise _Unusable("a kind of key that only the agent can use") from None
    except (OSError, ValueError, paramiko.SSHException) as error:
        raise _Unusable(str(error) or type(error).__name__) from None


def _ensure_private(path: str) -> None:
    """As ssh does, which the lines to try are given for: a key file of ours is ours alone."""
    try:
        found = Path(path).stat()
    except OSError:
        return  # whoever reads it says so
    mode = stat.S_IMODE(found.st_mode)
    if found.st_uid == os.getuid() and mode & 0o077:
        raise _Unusable(
            f"others may use it (mode {mode:o}), so nobody takes it, as with ssh: chmod 600 {path}"
        )


def public_half(path: str) -> bytes | None:
    """The public key of a key file: from the .pub beside it, or from the file itself."""
    for file in (Path(f"{path}.pub"), Path(path)):
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, ValueError):
            continue
        try:
            return _inside(text) if "PRIVATE KEY" in text else base64.b64decode(text.split()[1])
        except (ValueError, IndexError, paramiko.SSHException, struct.error):
            continue
    return None


def _inside(text: str) -> bytes | None:
    """OpenSSH's own format begins with the public key, also when the private one is encrypted."""
    if "OPENSSH" not in text:
        return None
    body = base64.b64decode("".join(text.strip().splitlines()[1:-1]))
    message = paramiko.Message(body.removeprefix(_MAGIC))
    for _ in ("cipher", "kdf", "kdf options"):
        message.get_binary()
    message.get_int()  # how many keys: one
    return message.get_binary()
