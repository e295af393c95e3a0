"""States of machines that sparkctl does not change, asked before `up` and `down`. Pure."""

from collections.abc import Iterable, Sequence
from itertools import groupby

from orchestrator.doctor.check import Command, OfCluster, OfMachine, Problem
from orchestrator.doctor.found import checks_before
from orchestrator.errors import PreflightError, SparkctlError
from orchestrator.node.parallel import raise_all
from orchestrator.resources.base import World
from orchestrator.spec.cluster import ClusterSpec


def check(spec: ClusterSpec, world: World) -> None:
    """Raise what stands in the way of `cluster up`, the first obstacle of every node."""
    _check("up", spec, world, [node.name for node in spec.members])


def check_down(spec: ClusterSpec, world: World) -> None:
    """Raise what stands in the way of `cluster down`, likewise."""
    _check("down", spec, world, [node.name for node in spec.nodes])


def _check(command: Command, spec: ClusterSpec, world: World, names: list[str]) -> None:
    """One after the other; those of machines that stand together are one step, and what is found in
    a step is reported of all machines at once."""
    for _, step in groupby(checks_before(command), key=type):
        checks = list(step)
        _raise_first([one for one in checks if isinstance(one, OfMachine)], spec, world, names)
        for one in checks:
            if isinstance(one, OfCluster):
                _raise_all(one, spec, world)


def _raise_first(
    checks: Sequence[OfMachine], spec: ClusterSpec, world: World, names: Iterable[str]
) -> None:
    problems: dict[str, SparkctlError] = {}
    for name in (name for name in names if name in world):
        found = (
            _error(one, name, problem) for one in checks for problem in one.look(world[name], spec)
        )
        if first := next(found, None):
            problems[name] = first
    raise_all(problems)


def _raise_all(one: OfCluster, spec: ClusterSpec, world: World) -> None:
    raise_all({node or "": _error(one, node, found) for node, found in one.look(spec, world)})


def _error(one: OfMachine | OfCluster, node: str | None, problem: Problem) -> PreflightError:
    fix = problem.fix or one.fix
    return PreflightError(problem.message, details=problem.details, resolution=fix, node=node)
