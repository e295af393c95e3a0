"""Who we are on the machine: the user that logs in, and the groups that this user is in."""

from dataclasses import dataclass

from orchestrator import assets
from orchestrator.facts.fact import Group, Printed, Raw
from orchestrator.facts.values import text
from orchestrator.spec.cluster import PathsSpec


@dataclass(frozen=True, kw_only=True)
class Login:
    """The user, and not root, as whom the script runs."""

    user: str
    uid: int
    gid: int
    home: str

    def expand(self, path: str) -> str:
        """The path with `~` replaced by the login user's home on this machine."""
        return self.home + path[1:] if path.startswith("~") else path


@dataclass(frozen=True, kw_only=True)
class Groups:
    """What the user may do, and the two files that list who is in group docker."""

    groups: frozenset[str]
    docker_group: bool
    docker_gshadow: frozenset[str]
    """Members of group docker as /etc/gshadow has them: the second of the two files."""


def _shell(paths: PathsSpec) -> str:
    return assets.text("templates/facts/login.sh")


def _login(raw: Raw) -> Login:
    uid, gid = raw["ids"].decode().split(":")[:2]
    home = raw["home"].decode().strip()
    return Login(user=raw["user"].decode(), uid=int(uid), gid=int(gid), home=home)


def _printed(login: Login) -> Printed:
    return {"user": login.user, "home": login.home, "ids": f"{login.uid}:{login.gid}"}


def _groups(raw: Raw) -> Groups:
    return Groups(
        groups=frozenset(text(raw["groups"]).split()),
        docker_group=bool(raw["docker_group"].strip()),
        docker_gshadow=frozenset(text(raw["docker_gshadow"]).split(",")) - {""},
    )


def _printed_groups(groups: Groups) -> Printed:
    return {
        "groups": " ".join(sorted(groups.groups)),
        "docker_group": "docker:x:999:" if groups.docker_group else "",
        "docker_gshadow": ",".join(sorted(groups.docker_gshadow)),
    }


LOGIN = Group(
    _shell,
    _login,
    lambda number: Login(user="nvidia", uid=1000, gid=1000, home="/home/nvidia"),
    _printed,
)
GROUPS = Group(
    lambda paths: assets.text("templates/facts/groups.sh"),
    _groups,
    lambda number: Groups(
        groups=frozenset({"nvidia", "sudo"}), docker_group=True, docker_gshadow=frozenset()
    ),
    _printed_groups,
)
