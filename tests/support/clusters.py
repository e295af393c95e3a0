"""Clusters and machines in the short form of the case files.

A cluster is what `cluster.yaml` says, less its first three keys; a node may be just a name. A
machine is what differs from a Spark as it comes out of its box: fields of `Facts` as plain data,
where files are their text, GPUs their UUIDs, addresses `interface address/prefix`, folders `empty`,
`full`, `absent /above` or fields of `Folder`, strangers `kind name` or `kind name restart`, a
journal record may be the reason why it cannot be read, and `docker` and `swarm` are merged into
what is there.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from orchestrator.facts.engine import docker_info
from orchestrator.facts.folders import Folder, NoFolder
from orchestrator.facts.gpu import Gpu
from orchestrator.facts.journal import Unreadable
from orchestrator.facts.machine import Facts
from orchestrator.facts.network import Address
from orchestrator.facts.strangers import Stranger
from orchestrator.node.files import File
from orchestrator.spec.cluster import ClusterSpec
from orchestrator.testing.facts import stock_spark

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "two-sparks.yaml"


def cluster(data: Mapping[str, Any] | None = None) -> ClusterSpec:
    """A cluster; without anything two Sparks, spark-a and spark-b."""
    data = data or {}
    nodes = [n if isinstance(n, dict) else {"name": n} for n in data.get("nodes", _names(2))]
    head = {"apiVersion": "sparkctl/v1", "kind": "Cluster", "name": "desk"}
    return ClusterSpec.model_validate({**head, **data, "nodes": nodes})


def sparks(count: int) -> ClusterSpec:
    """So many Sparks."""
    return cluster({"nodes": _names(count)})


def world_of(
    spec: ClusterSpec, machines: Mapping[str, Mapping[str, Any]] | None = None
) -> dict[str, Facts]:
    """The machines of a cluster: stock Sparks, but for what is said of them."""
    told = machines or {}
    assert set(told) <= {n.name for n in spec.nodes}, "facts of a node that there is not"
    return {
        node.name: changed(stock_spark(node.name, number), told.get(node.name, {}))
        for number, node in enumerate(spec.nodes, start=1)
    }


def under_new_names(
    spec: ClusterSpec, world: Mapping[str, Facts], was: Mapping[str, str]
) -> dict[str, Facts]:
    """The machines behind the names of another cluster file: those of before, or fresh ones.

    `was` says which one it is where a name leads to another machine than before.
    """
    fresh = world_of(spec)
    found = {node.name: world.get(was.get(node.name, node.name)) for node in spec.nodes}
    return {
        name: fresh[name] if facts is None else replace(facts, node=name)
        for name, facts in found.items()
    }


def changed(facts: Facts, differences: Mapping[str, Any]) -> Facts:
    """The same machine with what is said of it."""
    for name, value in differences.items():
        if name == "swarm":
            docker = dict(facts.docker or docker_info())
            facts = replace(facts, docker={**docker, "Swarm": {**docker["Swarm"], **value}})
        elif name == "docker":
            docker = None if value is None else {**(facts.docker or docker_info()), **value}
            facts = replace(facts, docker=docker)
        elif name == "folders":
            new = {path: folder(text, facts) for path, text in value.items()}
            facts = replace(facts, folders={**facts.folders, **new})
        else:
            facts = replace(facts, **{name: _CONVERT.get(name, _as_is)(value)})
    return facts


def folder(text: str | Mapping[str, Any], facts: Facts) -> Folder | NoFolder:
    """`empty`, `full`, `absent /above`, or fields of `Folder`."""
    here = Folder("755", facts.uid, facts.gid)
    if not isinstance(text, str):
        lists = {k: tuple(v) if isinstance(v, list) else v for k, v in text.items()}
        return replace(here, **lists)
    if text.startswith("absent "):
        nearest, _, blocked = text.removeprefix("absent ").partition(", ")
        return NoFolder(nearest, blocked)
    assert text in ("empty", "full")
    return here if text == "empty" else replace(here, entries=("full",))


def case_files(where: Path) -> list[Path]:
    """The data files of a folder; parametrize with `ids=lambda path: path.stem`."""
    found = sorted(where.glob("*.yaml"))
    assert found, f"no cases in {where}"
    return found


def read_case(path: Path, known: set[str]) -> dict[str, Any]:
    """One case; a key that the test does not look at would be a check that is never made."""
    case = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert set(case) <= known, f"{path.name}: nobody looks at {set(case) - known}"
    return dict(case)


def _names(count: int) -> list[str]:
    return [f"spark-{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"[:count]]


def _as_is(value: Any) -> Any:
    return value


def _file(value: str | None) -> File | None:
    return None if value is None else File(value.encode(), "644", 0, 0)


def _address(text: str) -> Address:
    interface, _, rest = text.partition(" ")
    address, _, rest = rest.partition("/")
    prefix, _, carrier = rest.partition(" ")
    return Address(interface, address, int(prefix), carrier != "(no carrier)")


def _journal(records: Mapping[str, Any]) -> Mapping[str, Any]:
    """A text in the place of a record is why it cannot be read."""
    return {k: Unreadable(v) if isinstance(v, str) else v for k, v in records.items()}


_CONVERT: dict[str, Callable[[Any], Any]] = {
    "groups": frozenset,
    "docker_gshadow": frozenset,
    "host_keys": frozenset,
    "networks": frozenset,
    "containers": tuple,
    "run_containers": tuple,
    "dockerd_flags": tuple,
    "staged": tuple,
    "images": tuple,
    "services": tuple,
    "busy": frozenset,
    "swarm_nodes": tuple,
    "gpus": lambda uuids: tuple(Gpu(uuid, "NVIDIA GB10", "580.95.05") for uuid in uuids),
    "addresses": lambda lines: tuple(_address(line) for line in lines),
    "daemon_json": _file,
    "runtime_config": _file,
    "journal": _journal,
    "strangers": lambda lines: tuple(Stranger(*line.split()) for line in lines),
}
