"""`~`, `${VARIABLE}` and the % tokens of ssh_config(5), TOKENS."""

import os
import pwd
import re
import socket
from dataclasses import dataclass

from orchestrator.node.ssh_config.words import Unreadable

_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_TOKEN = re.compile(r"%(.?)", re.DOTALL)
_OF_THE_WAY = "%hnpr"  # what ProxyCommand and ProxyJump know
_OF_FILES = "%hnprdikLlu"


def home(user: str = "") -> str:
    """The home folder as ssh knows it: from the user database, whatever $HOME is."""
    try:
        return (pwd.getpwnam(user) if user else pwd.getpwuid(os.getuid())).pw_dir
    except KeyError:
        raise Unreadable(f"there is no user {user or os.getuid()}") from None


def local_user() -> str:
    """The name of who runs this, from the user database too."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        raise Unreadable(f"no user has the id {os.getuid()}") from None


@dataclass(frozen=True)
class Tokens:
    """Who connects where."""

    argument: str
    """The host as it was asked for."""
    hostname: str
    port: int
    user: str
    alias: str | None = None
    """HostKeyAlias."""

    def on_the_way(self, text: str) -> str:
        """A ProxyCommand or a host of ProxyJump. Unreadable: a token that these do not know."""
        return self._expanded(text, _OF_THE_WAY)

    def path(self, text: str) -> str:
        """The path of a file, with `~` and variables. Unreadable: unknown token, empty variable."""
        if text.startswith("~"):
            user, slash, rest = text[1:].partition("/")
            text = home(user) + slash + rest
        return self._expanded(variables(text), _OF_FILES)

    def _expanded(self, text: str, known: str) -> str:
        values = {
            "%": "%",
            "d": home(),
            "h": self.hostname,
            "i": str(os.getuid()),
            "k": self.alias or self.argument,
            "L": socket.gethostname().partition(".")[0],
            "l": socket.gethostname(),
            "n": self.argument,
            "p": str(self.port),
            "r": self.user,
            "u": local_user(),
        }

        def value(found: re.Match[str]) -> str:
            if not found[1] or found[1] not in known:
                raise Unreadable(f"unknown key {found[0]}")
            return values[found[1]]

        return _TOKEN.sub(value, text)


def variables(text: str) -> str:
    """`${VARIABLE}` replaced, with its % doubled. Unreadable: one that is not set."""

    def value(found: re.Match[str]) -> str:
        if found[1] not in os.environ:
            raise Unreadable(f"env var {found[0]} has no value")
        return os.environ[found[1]].replace("%", "%%")

    return _VARIABLE.sub(value, text)
