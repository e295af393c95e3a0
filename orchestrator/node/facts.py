"""What one machine is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

MOST_ENTRIES = 100


@dataclass(frozen=True)
class File:
    """A file as it is: bytes, mode (octal text as `stat -c %a`), numeric owner and group."""

    content: bytes
    mode: str
    uid: int
    gid: int


@dataclass(frozen=True)
class Folder:
    """A folder that is there."""

    mode: str
    uid: int
    gid: int
    entries: tuple[str, ...] = ()
    """Names of what is in it, at most `MOST_ENTRIES` of them."""
    more: bool = False
    """Whether there is more in it than that."""
    links: tuple[str, ...] = ()
    """Folders on the way to it, itself included, that are symbolic links."""
    mounts: tuple[str, ...] = ()
    """Mount points at and below it, as the kernel writes them (a blank is `\\040`)."""
    above: tuple[str, ...] = ()
    """Mount points that it lies in, likewise; not `/`."""
    size: int | None = None
    """Bytes, where that was asked for and could be told in time."""

    @property
    def empty(self) -> bool:
        """Whether nothing is in it."""
        return not self.entries


@dataclass(frozen=True)
class NoFolder:
    """A folder that is not there, and the nearest one above it that is."""

    nearest: str
    blocked: str = ""
    """What is in the way of making it, in words."""


@dataclass(frozen=True)
class Stranger:
    """Something in a machine's Docker, or in the swarm that it manages, that is not sparkctl's."""

    kind: Literal["container", "task", "stack", "service", "secret", "config", "network"]
    """A task is a container of a service."""
    name: str
    restart: Literal["back", "stopped", "gone"] = "back"
    """What becomes of it when Docker is restarted."""


@dataclass(frozen=True)
class Unreadable:
    """A journal record that cannot be understood, and why; nothing of its content."""

    why: str


@dataclass(frozen=True)
class Gpu:
    """One GPU as nvidia-smi names it."""

    uuid: str
    name: str
    driver: str


@dataclass(frozen=True)
class Address:
    """An IPv4 address of an interface that is up."""

    interface: str
    address: str
    prefix: int
    carrier: bool = True
    """Whether there is a signal: a cable, and a machine at its other end."""


@dataclass(frozen=True)
class Machine:
    """What a run needs to know of a machine."""

    node: str
    user: str
    uid: int
    gid: int
    home: str
    memory_bytes: int
    memory_available_bytes: int
    addresses: tuple[Address, ...]
    rdma: Mapping[str, str]
    """RDMA device by network interface, e.g. enp1s0f1np1 -> rocep1s0f1."""
    docker: Mapping[str, Any] | None
    """`docker info`, or None when the engine does not answer."""

    @property
    def swarm(self) -> Mapping[str, Any]:
        """The Swarm part of `docker info`."""
        swarm: Mapping[str, Any] = (self.docker or {}).get("Swarm") or {}
        return swarm

    @property
    def swarm_state(self) -> str:
        """inactive, pending, active, error or locked."""
        return str(self.swarm.get("LocalNodeState") or "inactive")

    @property
    def swarm_node_id(self) -> str | None:
        """This machine's ID in the swarm it is in."""
        return self.swarm.get("NodeID") or None

    @property
    def engine(self) -> str:
        """Version of the Docker Engine, or `none`."""
        return str((self.docker or {}).get("ServerVersion") or "none")

    def expand(self, path: str) -> str:
        """The path with `~` replaced by the login user's home on this machine."""
        return self.home + path[1:] if path.startswith("~") else path


@dataclass(frozen=True)
class Facts(Machine):
    """A snapshot of one machine: with everything that `cluster` may change."""

    machine_id: str
    """Of the installed system; empty where it has none yet. A copied disk has that of the first."""
    host_keys: frozenset[str]
    """Public keys of its sshd, as `type base64`."""
    groups: frozenset[str]
    docker_group: bool
    docker_gshadow: frozenset[str]
    """Members of group docker as /etc/gshadow has them: the second of the two files."""
    kernel: str
    """System, release and processor, as `uname -srm` says it."""
    kho_off: bool
    """Whether the kernel was started with `kho=off`."""
    speeds: Mapping[str, int]
    """Mb/s by interface, of those that say it."""
    os: str
    gpus: tuple[Gpu, ...]
    nvidia_runtime: str | None
    nvidia_toolkit: str | None
    docker_cli: str | None
    containers: tuple[str, ...]
    run_containers: tuple[str, ...]
    dockerd_flags: tuple[str, ...]
    """Arguments of the running dockerd; what is set there must not be in daemon.json too."""
    docker_from: str
    """Another way to install Docker than docker.service; empty for none."""
    docker_log: str
    """The last lines of docker.service, when the engine does not answer."""
    docker_root: str
    """Docker's data-root, as daemon.json has it."""
    swarm_on_disk: Mapping[str, Any] | None
    """What dockerd keeps of its swarm: all there is to know of it while the engine is down."""
    networks: frozenset[str]
    images: tuple[str, ...]
    """Images that sparkctl built here."""
    swarm_nodes: tuple[Mapping[str, Any], ...]
    """`docker node inspect` of all nodes; only a manager knows them."""
    services: tuple[str, ...]
    """Of training runs; only a manager knows them."""
    busy: frozenset[str]
    """Host names of swarm nodes that have a rank of a run; only a manager knows them."""
    strangers: tuple[Stranger, ...]
    """What ends or stops with Docker or the swarm, and is none of ours."""
    daemon_folder: str
    """Of daemon.json: absent, alone (nothing else is in it), or shared."""
    daemon_json: File | None
    runtime_config: File | None
    links: Mapping[str, str]
    """Those of the two files that are links, and where they lead to."""
    fixed: Mapping[str, str]
    """Those of the two files that nobody can replace, and why."""
    staged: tuple[str, ...]
    """Copies beside these two files that a change which died has left."""
    folders: Mapping[str, Folder | NoFolder]
    """By the path as the cluster file writes it."""
    journal: Mapping[str, Mapping[str, Any] | Unreadable] = field(default_factory=dict)
    """Journal records by file name, oldest first."""
