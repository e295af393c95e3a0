"""A DGX Spark as it comes out of its box, and what the probe would print of it."""

import base64
import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from orchestrator.node.facts import (
    MOST_ENTRIES,
    Address,
    Facts,
    File,
    Folder,
    Gpu,
    NoFolder,
    Stranger,
    Unreadable,
)

STOCK_CONFIG = b"""\
#accept-nvidia-visible-devices-as-volume-mounts = false
disable-require = false
#swarm-resource = "DOCKER_RESOURCE_GPU"

[nvidia-container-cli]
environment = []
"""

_FOLDERS = {
    "/var/lib/sparkctl": NoFolder("/var/lib"),
    "~/sparkctl/runs": NoFolder("/home/nvidia"),
    "~/sparkctl/data": NoFolder("/home/nvidia"),
    "~/sparkctl/cache/sparkctl": NoFolder("/home/nvidia"),
    "~/.cache/huggingface/hub": NoFolder("/home/nvidia"),
}


def stock_spark(name: str = "spark-a", number: int = 1, **overrides: Any) -> Facts:
    """Facts of machine `number` (its last address byte); keyword arguments replace fields."""
    stock = Facts(
        node=name,
        user="nvidia",
        uid=1000,
        gid=1000,
        home="/home/nvidia",
        machine_id=f"{number:032x}",
        host_keys=frozenset({f"ssh-ed25519 AAAA{number:04d}"}),
        groups=frozenset({"nvidia", "sudo"}),
        docker_group=True,
        docker_gshadow=frozenset(),
        kho_off=False,
        speeds={"enP7s7": 10_000, "enp1s0f1np1": 200_000, "enP2p1s0f1np1": 200_000},
        kernel="Linux 6.17.0-1014-nvidia aarch64",
        os="Ubuntu 24.04.3 LTS",
        memory_bytes=128 * 10**9,
        memory_available_bytes=120 * 10**9,
        gpus=(Gpu(f"GPU-0000000{number}", "NVIDIA GB10", "580.95.05"),),
        nvidia_runtime="/usr/bin/nvidia-container-runtime",
        nvidia_toolkit="NVIDIA Container Toolkit CLI version 1.19.0",
        addresses=(
            Address("enP7s7", f"10.1.1.{number}", 24),
            Address("enp1s0f1np1", f"192.168.100.{number}", 24),
            Address("enP2p1s0f1np1", f"192.168.101.{number}", 24),
        ),
        rdma={"enp1s0f1np1": "rocep1s0f1", "enP2p1s0f1np1": "roceP2p1s0f1"},
        docker_cli="29.2.1",
        docker=docker_info(),
        containers=(),
        run_containers=(),
        dockerd_flags=("-H", "fd://", "--containerd=/run/containerd/containerd.sock"),
        docker_from="",
        docker_log="",
        docker_root="/var/lib/docker",
        swarm_on_disk=None,
        networks=frozenset({"bridge", "host", "none"}),
        images=(),
        swarm_nodes=(),
        busy=frozenset(),
        services=(),
        strangers=(),
        daemon_folder="shared",
        daemon_json=None,
        runtime_config=File(STOCK_CONFIG, "644", 0, 0),
        links={},
        fixed={},
        staged=(),
        folders=dict(_FOLDERS),
        journal={},
    )
    return dataclasses.replace(stock, **overrides)


def docker_info(**overrides: Any) -> dict[str, Any]:
    """The part of `docker info` that is looked at; keyword arguments replace keys."""
    return {
        "ServerVersion": "29.2.1",
        "DefaultRuntime": "runc",
        "GenericResources": None,
        "Swarm": {"LocalNodeState": "inactive", "NodeID": "", "ControlAvailable": False},
        **overrides,
    }


def probe_output(facts: Facts) -> str:
    """What the probe would have printed for these facts: `parse_facts` gives them back."""
    memory = {"MemTotal": facts.memory_bytes, "MemAvailable": facts.memory_available_bytes}
    raw: dict[str, str | bytes] = {
        "user": facts.user,
        "home": facts.home,
        "ids": f"{facts.uid}:{facts.gid}",
        "machine_id": facts.machine_id,
        "host_keys": "\n".join(sorted(facts.host_keys)),
        "groups": " ".join(sorted(facts.groups)),
        "docker_group": "docker:x:999:" if facts.docker_group else "",
        "docker_gshadow": ",".join(sorted(facts.docker_gshadow)),
        "kernel": facts.kernel,
        "kho_off": "yes" * facts.kho_off,
        "speeds": "".join(f"{name} {speed}\n" for name, speed in facts.speeds.items()),
        "os": facts.os,
        "meminfo": "".join(f"{k}:  {v // 1024} kB\n" for k, v in memory.items()),
        "gpus": "".join(f"{g.uuid}, {g.name}, {g.driver}\n" for g in facts.gpus),
        "nvidia_runtime": facts.nvidia_runtime or "",
        "nvidia_toolkit": facts.nvidia_toolkit or "",
        "addresses": json.dumps([_link(a) for a in facts.addresses]),
        "rdma": "".join(f"{k} {v}\n" for k, v in facts.rdma.items()),
        "docker_cli": f"Docker version {facts.docker_cli}, build 0" if facts.docker_cli else "",
        "docker_info": json.dumps(facts.docker) if facts.docker else "",
        "containers": "\n".join(facts.containers),
        "run_containers": "\n".join(facts.run_containers),
        "dockerd_flags": "\n".join(facts.dockerd_flags),
        "docker_from": facts.docker_from,
        "docker_log": facts.docker_log,
        "docker_root": facts.docker_root,
        "swarm_on_disk": "" if facts.swarm_on_disk is None else json.dumps(facts.swarm_on_disk),
        "daemon_folder": facts.daemon_folder,
        "networks": "\n".join(sorted(facts.networks)),
        "images": "\n".join(facts.images),
        "swarm_nodes": "\n".join(json.dumps(n) for n in facts.swarm_nodes),
        "busy": "\n".join(sorted(facts.busy)),
        "services": "\n".join(f"{n} - {n.partition('_rank')[0]}" for n in facts.services)
        + "".join(f"\n{s.name} - -" for s in facts.strangers if s.kind == "service"),
        "running": "\n".join(
            _running(s) for s in facts.strangers if s.kind in ("container", "task")
        ),
        "things": "\n".join(f"{s.kind} {s.name} -" for s in facts.strangers),
        "links": "".join(f"{path} {target}\n" for path, target in facts.links.items()),
        "fixed": "".join(f"{path} {why}\n" for path, why in facts.fixed.items()),
        "staged": "\n".join(facts.staged),
    }
    raw |= _file("daemon_json", facts.daemon_json) | _file("runtime_config", facts.runtime_config)
    raw |= {f"folder.{path}": _folder(folder) for path, folder in facts.folders.items()}
    raw |= {f"journal.{name}": _record(record) for name, record in facts.journal.items()}
    return "".join(f"{name}\t{_base64(value)}\n" for name, value in raw.items())


def _link(address: Address) -> Mapping[str, Any]:
    info = {"family": "inet", "local": address.address, "prefixlen": address.prefix}
    flags = ["UP", "LOWER_UP"] if address.carrier else ["NO-CARRIER", "UP"]
    return {"ifname": address.interface, "flags": flags, "addr_info": [info]}


def _file(name: str, file: File | None) -> dict[str, str | bytes]:
    if file is None:
        return {}
    return {f"{name}.stat": f"{file.mode} {file.uid} {file.gid}", f"{name}.bytes": file.content}


def _running(stranger: Stranger) -> str:
    policy = "always" if stranger.restart == "back" else "no"
    removed = str(stranger.restart == "gone").lower()
    return f"/{stranger.name} {policy} {removed} image {'x' if stranger.kind == 'task' else '-'} -"


def _record(record: Mapping[str, Any] | Unreadable) -> str:
    return "" if isinstance(record, Unreadable) else json.dumps(record)


def _folder(folder: Folder | NoFolder) -> str:
    if isinstance(folder, NoFolder):
        blocked = f"\nblocked {folder.blocked}" if folder.blocked else ""
        return f"absent {folder.nearest}{blocked}"
    lines = [f"{folder.mode} {folder.uid} {folder.gid}"]
    lines += [f"entry {name}" for name in folder.entries]
    lines += ["entry and more"] * (MOST_ENTRIES + 1 - len(folder.entries)) * folder.more
    lines += [f"link {path}" for path in folder.links]
    lines += [f"mount {path}" for path in folder.mounts]
    lines += [f"above {path}" for path in folder.above]
    lines += [] if folder.size is None else [f"size {folder.size // 1024}"]
    return "\n".join(lines)


def _base64(value: str | bytes) -> str:
    return base64.b64encode(value.encode() if isinstance(value, str) else value).decode()
