"""Facts of a machine, read in ONE script in ONE round trip, and parsed without side effects."""

import ipaddress
import json
import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from orchestrator.names import DAEMON_JSON, IMAGE, LABEL_IMAGE, LABEL_RUN, RUNTIME_CONFIG
from orchestrator.node.facts import (
    MOST_ENTRIES,
    Address,
    Facts,
    File,
    Folder,
    Gpu,
    Machine,
    NoFolder,
    Unreadable,
)
from orchestrator.node.mounts import MOUNTED
from orchestrator.node.node import Node
from orchestrator.node.strangers import (
    our_services,
    strange_containers,
    strange_services,
    strange_things,
)
from orchestrator.node.told import decode, understood
from orchestrator.spec.cluster import PathsSpec
from orchestrator.templates import rendered

_MOST_BYTES = 4 * 2**20
"""Of a journal record; it holds a file or two. A longer one comes cut, which is said of it."""

_MOST_STRANGERS = 500
"""Of each kind; who has more of them is told of so many."""


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
        most_bytes=_MOST_BYTES,
        most_strangers=_MOST_STRANGERS,
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
    with understood(node, __file__):
        return Machine(**_common(node, decode(output)))


def _common(node: str, raw: Mapping[str, bytes]) -> dict[str, Any]:
    ids = raw["ids"].decode().split(":")
    info = json.loads(raw["docker_info"]) if raw.get("docker_info", b"").strip() else None
    if info is not None and not info.get("ServerVersion"):
        info = None  # the client answered, the engine did not
    memory = _meminfo(_text(raw["meminfo"]))
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
    with understood(node, __file__):
        raw = decode(output)
        return Facts(
            **_common(node, raw),
            machine_id=_machine_id(_text(raw["machine_id"])),
            host_keys=frozenset(_lines(raw["host_keys"])),
            groups=frozenset(_text(raw["groups"]).split()),
            docker_group=bool(raw["docker_group"].strip()),
            docker_gshadow=frozenset(_text(raw["docker_gshadow"]).split(",")) - {""},
            kernel=_text(raw["kernel"]),
            kho_off=bool(raw["kho_off"].strip()),
            speeds=_speeds(raw["speeds"]),
            os=_text(raw.get("os", b"")),
            gpus=_gpus(_text(raw["gpus"])),
            nvidia_runtime=_text(raw["nvidia_runtime"]) or None,
            nvidia_toolkit=_text(raw["nvidia_toolkit"]) or None,
            docker_cli=_version(_text(raw["docker_cli"])),
            containers=tuple(_lines(raw["containers"])),
            run_containers=tuple(_lines(raw["run_containers"])),
            dockerd_flags=tuple(_lines(raw["dockerd_flags"])),
            docker_from=_text(raw["docker_from"]),
            docker_log=_text(raw.get("docker_log", b"")),
            docker_root=_text(raw["docker_root"]),
            swarm_on_disk=_object(raw.get("swarm_on_disk", b"")),
            networks=frozenset(_lines(raw["networks"])),
            # One that a user built upon ours has inherited its label.
            images=tuple(n for n in _lines(raw["images"]) if n.startswith(f"{IMAGE}:")),
            swarm_nodes=tuple(json.loads(n) for n in _lines(raw.get("swarm_nodes", b""))),
            busy=frozenset(_lines(raw.get("busy", b""))),
            services=our_services(_lines(raw.get("services", b""))),
            strangers=(
                *strange_containers(_lines(raw["running"])),
                *strange_services(_lines(raw.get("services", b""))),
                *strange_things(_lines(raw.get("things", b""))),
            ),
            daemon_folder=_text(raw["daemon_folder"]),
            daemon_json=_file(raw, "daemon_json"),
            runtime_config=_file(raw, "runtime_config"),
            links=_pairs(raw["links"]),
            fixed=_pairs(raw["fixed"]),
            staged=tuple(_lines(raw["staged"])),
            folders={
                name.removeprefix("folder."): _folder(value)
                for name, value in raw.items()
                if name.startswith("folder.")
            },
            journal={
                name.removeprefix("journal."): _record(value)
                for name, value in raw.items()
                if name.startswith("journal.")
            },
        )


def _text(raw: bytes) -> str:
    """One byte that is no UTF-8 is no reason to understand nothing."""
    return raw.decode(errors="replace").strip()


def _lines(raw: bytes) -> list[str]:
    return [line for line in _text(raw).splitlines() if line.strip()]


def _record(raw: bytes) -> Mapping[str, Any] | Unreadable:
    """A journal record by itself: one that a power cut left empty says nothing of the others."""
    if not raw.strip():
        return Unreadable("it is empty")
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError):
        return Unreadable("it is cut off, or no JSON")
    return found if isinstance(found, dict) else Unreadable("it is no JSON object")


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


def _machine_id(text: str) -> str:
    """Empty for what systemd writes before the first boot is over (`uninitialized`)."""
    return text if re.fullmatch(r"[0-9a-f]{32}", text) else ""


def _gpus(text: str) -> tuple[Gpu, ...]:
    rows = [[part.strip() for part in line.split(",")] for line in text.splitlines()]
    return tuple(Gpu(*row) for row in rows if len(row) == 3 and row[0].startswith("GPU-"))


def _addresses(raw: bytes) -> tuple[Address, ...]:
    if not raw.strip():
        return ()
    return tuple(
        _address(
            link["ifname"],
            info["local"],
            info["prefixlen"],
            carrier="NO-CARRIER" not in link["flags"],
        )
        for link in json.loads(raw)
        if "UP" in link.get("flags", []) and "LOOPBACK" not in link.get("flags", [])
        for info in link.get("addr_info", [])
        if info.get("family") == "inet"
    )


def _speeds(raw: bytes) -> dict[str, int]:
    """Without those that say none: -1 where there is no carrier, nothing where it is virtual."""
    told = _pairs(raw)
    return {name: int(speed) for name, speed in told.items() if re.fullmatch("[0-9]{1,7}", speed)}


def _address(interface: str, local: str, prefix: int, *, carrier: bool) -> Address:
    """What is none is found here, and not where it is reckoned with."""
    ip = ipaddress.IPv4Interface(f"{local}/{prefix}")
    return Address(interface, str(ip.ip), ip.network.prefixlen, carrier)


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
        blocked = lines[1].removeprefix("blocked ") if len(lines) > 1 else ""
        return NoFolder(lines[0].removeprefix("absent "), blocked)
    mode, uid, gid = lines[0].split()
    told: dict[str, list[str]] = {"entry": [], "link": [], "mount": [], "above": [], "size": []}
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
        above=tuple(told["above"]),
        size=int(told["size"][0]) * 1024 if told["size"] else None,
    )
