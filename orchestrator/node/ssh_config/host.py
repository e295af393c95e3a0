"""The answer on one host, in the same form whoever gave it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.node.ssh_config.words import Unreadable

Settings = Mapping[str, tuple[str, ...]]
"""Keyword in lower case, and its values, as `ssh -G` prints them: HostName, IdentityAgent and
UserKnownHostsFile are expanded, the others are as written."""

_NOT_SERVED = {
    "addressfamily": "any",
    "bindaddress": "",
    "bindinterface": "",
    "certificatefile": "",
    "knownhostscommand": "none",
    "pkcs11provider": "none",
}
"""Keywords that sparkctl does not serve and the value that means nothing; without them the login
may fail all the same, and then they are named."""

_CANNOT_BE_LEFT_OUT = {"proxyusefdpass": "no", "revokedhostkeys": "none"}
"""The same for keywords without which the login would be another one, or not as safe."""


@dataclass(frozen=True)
class HostConfig:
    """Everything of ssh_config that leads to one host."""

    hostname: str
    port: int
    user: str
    host_key_alias: str | None
    identity_files: tuple[str, ...]
    """As written, the usual ones included; not all of them are there."""
    identities_only: bool
    identity_agent: str | None
    """A path, SSH_AUTH_SOCK, $VARIABLE, or none; None: not set."""
    user_known_hosts: tuple[str, ...]
    global_known_hosts: tuple[str, ...]
    accepts_new: bool
    """StrictHostKeyChecking lets a key in that was never seen."""
    proxy_jump: str | None
    proxy_command: str | None
    not_served: tuple[str, ...]
    """What is set and sparkctl does not do, as `keyword value`."""


def host_config(settings: Settings) -> HostConfig:
    """Unreadable: a setting without which ssh would not do the same as sparkctl."""

    def one(keyword: str) -> str | None:
        values = settings.get(keyword)
        return None if not values or values[0].lower() == "none" else values[0]

    for keyword, harmless in _CANNOT_BE_LEFT_OUT.items():
        value = " ".join(settings.get(keyword, (harmless,)))
        if value.lower() != harmless:
            raise Unreadable(f"sparkctl does not support `{keyword} {value}`")
    agent = settings.get("identityagent")
    return HostConfig(
        hostname=settings["hostname"][0],
        port=int(settings["port"][0]),
        user=settings["user"][0],
        host_key_alias=settings.get("hostkeyalias", (None,))[0],
        identity_files=settings.get("identityfile", ()),
        identities_only=settings.get("identitiesonly") == ("yes",),
        identity_agent=agent[0] if agent else None,
        user_known_hosts=settings.get("userknownhostsfile", ()),
        global_known_hosts=settings.get("globalknownhostsfile", ()),
        accepts_new=settings.get("stricthostkeychecking") in _ACCEPT_NEW,
        proxy_jump=one("proxyjump"),
        proxy_command=one("proxycommand"),
        not_served=tuple(
            f"{keyword} {' '.join(settings[keyword])}"
            for keyword, harmless in _NOT_SERVED.items()
            if " ".join(settings.get(keyword, (harmless,))).lower() != harmless
        ),
    )


_ACCEPT_NEW = (("accept-new",), ("false",), ("no",), ("off",))


@dataclass(frozen=True)
class Hop:
    """One host of ProxyJump; its tokens are not expanded."""

    host: str
    user: str | None = None
    port: int | None = None

    def __str__(self) -> str:
        """As `ssh -G` writes the last one of a list."""
        brackets = ":" in self.host or not self.host.strip("0123456789.")
        host = f"[{self.host}]" if brackets else self.host
        return f"{self.user}@" * bool(self.user) + host + f":{self.port}" * bool(self.port)


_HOP = re.compile(
    r"(?:(?P<user>.+)@)?(?:\[(?P<v6>[^]]+)\]|(?P<host>[^][:@]+))(?::(?P<port>0*[0-9]{0,5}))?"
)


def hops(jump: str) -> tuple[Hop, ...]:
    """The hosts of a ProxyJump, the nearest first.

    Unreadable: not a list of `user@host:port`, `user@[v6]:port` or `ssh://user@host:port`.
    """
    return tuple(_hop(one, jump) for one in jump.split(","))


def _hop(text: str, jump: str) -> Hop:
    uri = text.startswith("ssh://")
    found = _HOP.fullmatch(text.removeprefix("ssh://").removesuffix("/") if uri else text)
    port = int(found["port"]) if found and found["port"] else None
    if (
        found is None
        or (uri and found["v6"])  # ssh takes no address in brackets there
        or (port is not None and not 0 < port < 65536)
        or re.search(r'[\s"#]', text)
    ):
        raise Unreadable(f'Invalid ProxyJump "{jump}"')
    return Hop(found["v6"] or found["host"], found["user"], port)
