"""Advice shown with a plan: what sparkctl does not change and a run will feel. Pure."""

from collections.abc import Iterator

from orchestrator.errors import SparkctlError
from orchestrator.facts.machine import Facts
from orchestrator.node.software import Software, uneven
from orchestrator.resources.base import World
from orchestrator.resources.fabric import fabric_ports
from orchestrator.spec.cluster import ClusterSpec

_SLOW = 10_000  # Mb/s; the cable of two Sparks gives 200,000


def advice(spec: ClusterSpec, world: World) -> tuple[str, ...]:
    """One sentence each, with the node first."""
    there = {node.name: world[node.name] for node in spec.members if node.name in world}
    return tuple(
        f"{node}: {words}"
        for node, words in (
            *uneven({name: _software(facts) for name, facts in there.items()}),
            *_speeds(spec, world),
        )
    )


def _software(facts: Facts) -> Software:
    return Software(
        kernel=facts.kernel.partition(" ")[2].partition(" ")[0],
        kho_off=facts.kho_off,
        driver=facts.gpus[0].driver if facts.gpus else "",
        toolkit=(facts.nvidia_toolkit or "").rpartition(" ")[2],
    )


def _speeds(spec: ClusterSpec, world: World) -> Iterator[tuple[str, str]]:
    try:
        ports = fabric_ports(spec, world)
    except SparkctlError:  # reported by whoever needs them
        return
    speeds = {
        name: speed
        for name, port in ports.items()
        if (speed := world[name].speeds.get(port.interface)) is not None
    }
    fastest = max(speeds.values(), default=0)
    for name, speed in speeds.items():
        if speed < _SLOW or speed < fastest:
            than = f", that of another node at {_gigabits(fastest)}" if speed < fastest else ""
            yield name, f"{ports[name].interface} runs at {_gigabits(speed)}{than}"


def _gigabits(megabits: int) -> str:
    return f"{megabits / 1000:g} Gb/s"
