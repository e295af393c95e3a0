"""What one machine is, read in ONE script in ONE round trip, and parsed without side effects."""

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from orchestrator.errors import RemoteError
from orchestrator.names import DAEMON_JSON, LABEL_IMAGE, LABEL_RUN, RUNTIME_CONFIG
from orchestrator.node.mounts import MOUNTED
from orchestrator.node.node import Node
from orchestrator.spec.cluster import PathsSpec
from orchestrator.templates import rendered


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
    size: int | None = None
    """Bytes, where that was asked for and could be told in time."""

    @property
    def empty(self) -> bool:
        """Whether nothing is in it."""
        return not self.entries


MOST_ENTRIES = 100


@dataclass(frozen=True)
class NoFolder:
    """A folder that is not there, and the nearest one above it that is."""

    nearest: str


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

    groups: frozenset[str]
    docker_group: bool
    kernel: str
    os: str
    gpus: tuple[Gpu, ...]
    nvidia_runtime: str | None
    nvidia_toolkit: str | None
    docker_cli: str | None
    containers: tuple[str, ...]
    run_containers: tuple[str, ...]
    dockerd_flags: tuple[str, ...]
    """Arguments of the running dockerd; what is set there must not be in daemon.json too."""
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
    daemon_folder: str
    """Of daemon.json: absent, alone (nothing else is in it), or shared."""
    daemon_json: File | None
    runtime_config: File | None
    staged: tuple[str, ...]
    """Copies beside these two files that a change which died has left."""
    folders: Mapping[str, Folder | NoFolder]
    """By the path as the cluster file writes it."""
    journal: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Journal records by file name, oldest first."""


def probe_script(paths: PathsSpec, *, whole: bool = True) -> str:
    """The script that reads all facts, or those of a Machine; see templates/probe.sh.j2."""
    return rendered(
        "probe.sh.j2",
        whole=whole,
        state=paths.state,
        folders=[paths.state, paths.runs, paths.data, paths.hub],
        sized=[paths.own_cache],
        mounted=MOUNTED,
        most_entries=MOST_ENTRIES,
        daemon_json=DAEMON_JSON,
        daemon_folder=str(PurePosixPath(DAEMON_JSON).parent),
        daemon_name=PurePosixPath(DAEMON_JSON).name,
        runtime_config=RUNTIME_CONFIG,
        image_label=LABEL_IMAGE,
        run_label=LABEL_RUN,
    )


def read_facts(node: Node, paths: PathsSpec) -> Facts:
    """One exec on the node, as root: nobody else sees the journal."""
    return parse_facts(node.name, node.script(probe_script(paths)))


def read_machine(node: Node, paths: PathsSpec) -> Machine:
    """One exec on the node, as whoever may use Docker."""
    return parse_machine(node.name, node.script(probe_script(paths, whole=False), need="docker"))


def parse_machine(node: str, output: str) -> Machine:
    """What is common to both probes. Raises RemoteError when it is not whole."""
    with _understood(node, output):
        return Machine(**_common(node, _decode(output)))


def _common(node: str, raw: Mapping[str, bytes]) -> dict[str, Any]:
    ids = raw["ids"].decode().split(":")
    info = json.loads(raw["docker_info"]) if raw.get("docker_info", b"").strip() else None
    if info is not None and not info.get("ServerVersion"):
        info = None  # the client answered, the engine did not
    memory = _meminfo(raw["meminfo"].decode())
    return {
        "node": node,
        "user": raw["user"].decode(),
        "uid": int(ids[0]),
        "gid": int(ids[1]),
        "home": raw["home"].decode().strip(),
        "memory_bytes": memory.get("MemTotal", 0),
        "memory_available_bytes": memory.get("MemAvailable", 0),
        "addresses": _addresses(raw["addresses"]),
        "rdma": _pairs(raw["rdma"]),
        "docker": info,
    }


def parse_facts(node: str, output: str) -> Facts:
    """Facts from what the probe printed. Raises RemoteError when it is not whole."""
    with _understood(node, output):
        raw = _decode(output)
        return Facts(
            **_common(node, raw),
            groups=frozenset(raw["groups"].decode().split()),
            docker_group=bool(raw["docker_group"].strip()),
            kernel=raw["kernel"].decode().strip(),
            os=raw.get("os", b"").decode().strip(),
            gpus=_gpus(raw["gpus"].decode()),
            nvidia_runtime=raw["nvidia_runtime"].decode().strip() or None,
            nvidia_toolkit=raw["nvidia_toolkit"].decode().strip() or None,
            docker_cli=_version(raw["docker_cli"].decode()),
            containers=tuple(_lines(raw["containers"])),
            run_containers=tuple(_lines(raw["run_containers"])),
            dockerd_flags=tuple(_lines(raw["dockerd_flags"])),
            docker_log=raw.get("docker_log", b"").decode(errors="replace").strip(),
            docker_root=raw["docker_root"].decode(),
            swarm_on_disk=_object(raw.get("swarm_on_disk", b"")),
            networks=frozenset(_lines(raw["networks"])),
            images=tuple(_lines(raw["images"])),
            swarm_nodes=tuple(json.loads(n) for n in _lines(raw.get("swarm_nodes", b""))),
            services=tuple(_lines(raw.get("services", b""))),
            daemon_folder=raw["daemon_folder"].decode().strip(),
            daemon_json=_file(raw, "daemon_json"),
            runtime_config=_file(raw, "runtime_config"),
            staged=tuple(_lines(raw["staged"])),
            folders={
                name.removeprefix("folder."): _folder(value)
                for name, value in raw.items()
                if name.startswith("folder.")
            },
            journal={
                name.removeprefix("journal."): json.loads(value)
                for name, value in raw.items()
                if name.startswith("journal.")
            },
        )


@contextmanager
def _understood(node: str, output: str) -> Iterator[None]:
    try:
        yield
    except (KeyError, ValueError, IndexError, TypeError, AttributeError) as error:
        raise RemoteError(
            f"what {node} says of itself cannot be understood",
            details=f"{type(error).__name__}: {error}\n{output[-500:]}",
            resolution="Please report this together with the lines above.",
            node=node,
        ) from None


def _decode(output: str) -> dict[str, bytes]:
    raw: dict[str, bytes] = {}
    for line in output.splitlines():
        name, tab, value = line.partition("\t")
        if tab:
            try:
                raw[name] = base64.b64decode(value, validate=True)
            except binascii.Error:
                raise ValueError(f"{name}: not base64") from None
    return raw


def _lines(raw: bytes) -> list[str]:
    return [line for line in raw.decode().splitlines() if line.strip()]


def _object(raw: bytes) -> Mapping[str, Any] | None:
    """A JSON object; dockerd may have died while it wrote the file, which then says nothing."""
    try:
        found = json.loads(raw)
    except ValueError:
        return {} if raw else None
    return found if isinstance(found, dict) else {}


def _pairs(raw: bytes) -> dict[str, str]:
    return dict(line.split(" ", 1) for line in _lines(raw))


def _meminfo(text: str) -> dict[str, int]:
    """/proc/meminfo in bytes."""
    found = re.findall(r"^(\w+):\s+(\d+) kB$", text, flags=re.MULTILINE)
    return {name: int(kib) * 1024 for name, kib in found}


def _gpus(text: str) -> tuple[Gpu, ...]:
    rows = [[part.strip() for part in line.split(",")] for line in text.splitlines()]
    return tuple(Gpu(*row) for row in rows if len(row) == 3 and row[0].startswith("GPU-"))


def _addresses(raw: bytes) -> tuple[Address, ...]:
    if not raw.strip():
        return ()
    return tuple(
        Address(link["ifname"], info["local"], int(info["prefixlen"]))
        for link in json.loads(raw)
        if "UP" in link.get("flags", []) and "LOOPBACK" not in link.get("flags", [])
        for info in link.get("addr_info", [])
        if info.get("family") == "inet"
    )


def _version(text: str) -> str | None:
    match = re.search(r"(\d+(?:\.\d+)+)", text)
    return match[1] if match else None


def _file(raw: Mapping[str, bytes], name: str) -> File | None:
    if f"{name}.stat" not in raw:
        return None
    mode, uid, gid = raw[f"{name}.stat"].decode().split()
    return File(raw[f"{name}.bytes"], mode, int(uid), int(gid))


def _folder(raw: bytes) -> Folder | NoFolder:
    lines = _lines(raw)
    if lines[0].startswith("absent "):
        return NoFolder(lines[0].removeprefix("absent "))
    mode, uid, gid = lines[0].split()
    told: dict[str, list[str]] = {"entry": [], "link": [], "mount": [], "size": []}
    for line in lines[1:]:
        what, _, value = line.partition(" ")
        told[what].append(value)
    return Folder(
        mode,
        int(uid),
        int(gid),
        entries=tuple(sorted(told["entry"][:MOST_ENTRIES])),
        more=len(told["entry"]) > MOST_ENTRIES,
        links=tuple(told["link"]),
        mounts=tuple(told["mount"]),
        size=int(told["size"][0]) * 1024 if told["size"] else None,
    )
