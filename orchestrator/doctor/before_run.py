"""What would go wrong with a run, from the readiness of its machines. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.doctor.check import Check, OfGang, OfRank, Problem
from orchestrator.doctor.found import checks_before
from orchestrator.doctor.readiness import NodeReadiness, Wanted


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it should be."""

    check: str
    node: str
    message: str
    remedy: str
    fatal: bool = True


def judge(wanted: Wanted, readings: Mapping[str, NodeReadiness]) -> list[Finding]:
    """Everything that is wrong: of each machine, then what only several together can show."""
    return [*_of_ranks(wanted, readings), *_of_the_gang(readings)]


def _of_ranks(wanted: Wanted, readings: Mapping[str, NodeReadiness]) -> Iterator[Finding]:
    checks = [check for check in checks_before("train") if isinstance(check, OfRank)]
    for rank in wanted.ranks:
        for check in checks:
            for problem in check.look(wanted, rank, readings[rank.node]):
                yield _finding(check, rank.node, problem)


def _of_the_gang(readings: Mapping[str, NodeReadiness]) -> Iterator[Finding]:
    for check in checks_before("train"):
        if isinstance(check, OfGang):
            for node, problem in check.look(readings):
                yield _finding(check, node, problem)


def _finding(check: Check[Any], node: str, problem: Problem) -> Finding:
    fatal = problem.stops and not check.warns
    return Finding(check.name, node, problem.message, problem.fix or check.fix, fatal)
