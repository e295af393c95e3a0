"""What is in a Docker and is not sparkctl's, from the lines that the probe prints. Pure.

A label alone makes nothing ours: users copy compose files. What a run has made bears its name too.
"""

from collections.abc import Iterable, Iterator
from typing import Literal, cast

from orchestrator.names import IMAGE
from orchestrator.node.facts import Stranger

_COMES_BACK = ("always", "unless-stopped")
_LONGEST = 100
"""Characters of a name that are kept; Docker's own limit is 63 for services, 64 for secrets."""


def is_rank(name: str, run: str) -> bool:
    """Whether a service of this name, labelled as this run's, is one of its ranks."""
    rank = name.removeprefix(f"{run}_rank")
    return rank != name and rank.isdecimal()


def is_of_a_run(image: str, service: str, run: str) -> bool:
    """Whether a container with these is a rank, or a TensorBoard that we have started."""
    return is_rank(service, run) or (not service and bool(run) and image.startswith(f"{IMAGE}:"))


def our_services(lines: Iterable[str]) -> tuple[str, ...]:
    """Names of services of training runs, from lines `name stack run`."""
    return tuple(name for name, _, run in _fields(lines, 3) if is_rank(name, run))


def strange_services(lines: Iterable[str]) -> Iterator[Stranger]:
    """The others, and the stacks that they belong to; `-` is none."""
    others = [(n, stack) for n, stack, run in _fields(lines, 3) if not is_rank(n, run)]
    for stack in dict.fromkeys(stack for _, stack in others if stack != "-"):
        yield Stranger("stack", stack)
    for name, _ in others:
        yield Stranger("service", name)


def strange_things(lines: Iterable[str]) -> Iterator[Stranger]:
    """Secrets, configs and networks of the swarm, from lines `kind name run`."""
    for kind, name, run in _fields(lines, 3):
        if kind in ("secret", "config", "network") and not (run != "-" and name.startswith(run)):
            yield Stranger(cast(Literal["secret", "config", "network"], kind), name)


def strange_containers(lines: Iterable[str]) -> Iterator[Stranger]:
    """Running containers, from lines `name restart-policy removed-at-its-end image service run`."""
    for name, policy, removed, image, service, run in _fields(lines, 6):
        name = name.removeprefix("/")
        if is_of_a_run(image, service.strip("-"), run.strip("-")):
            continue
        if service != "-":
            yield Stranger("task", name)
        elif policy in _COMES_BACK:
            yield Stranger("container", name)
        else:
            yield Stranger("container", name, "gone" if removed == "true" else "stopped")


def _fields(lines: Iterable[str], count: int) -> Iterator[list[str]]:
    """Of lines that have them all; a label with blanks in it is the last, and none of ours."""
    for line in lines:
        fields = [field[:_LONGEST] for field in line.split(" ", count - 1)]
        if len(fields) == count and all(fields):
            yield fields
