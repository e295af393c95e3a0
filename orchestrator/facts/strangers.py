"""What is in a Docker and is not sparkctl's, from the lines that the probe prints. Pure.

A label alone makes nothing ours: users copy compose files. What a run has made bears its name too.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, cast

from orchestrator.facts.fact import Group, Printed, Raw
from orchestrator.facts.values import lines
from orchestrator.names import IMAGE

MOST = 500
"""Of each kind that are read; further ones are not read."""

_COMES_BACK = ("always", "unless-stopped")
_LONGEST = 100
"""Characters of a name that are kept; Docker's own limit is 63 for services, 64 for secrets."""


@dataclass(frozen=True)
class Stranger:
    """Something in a machine's Docker, or in the swarm that it manages, that is not sparkctl's."""

    kind: Literal["container", "task", "stack", "service", "secret", "config", "network"]
    """A task is a container of a service."""
    name: str
    restart: Literal["back", "stopped", "gone"] = "back"
    """What becomes of it when Docker is restarted."""


@dataclass(frozen=True, kw_only=True)
class Strangers:
    """Ours, and what is none of ours; `docker` and `swarm` print the lines."""

    services: tuple[str, ...]
    """Of training runs; only a manager knows them."""
    strangers: tuple[Stranger, ...]
    """What ends or stops with Docker or the swarm, and is none of ours."""


def is_rank(name: str, run: str) -> bool:
    """Whether a service of this name, labelled as this run's, is one of its ranks."""
    rank = name.removeprefix(f"{run}_rank")
    return rank != name and rank.isdecimal()


def is_of_a_run(image: str, service: str, run: str) -> bool:
    """Whether a container with these is a rank, or a TensorBoard that we have started."""
    return is_rank(service, run) or (not service and bool(run) and image.startswith(f"{IMAGE}:"))


def our_services(rows: Iterable[str]) -> tuple[str, ...]:
    """Names of services of training runs, from lines `name stack run`."""
    return tuple(name for name, _, run in _fields(rows, 3) if is_rank(name, run))


def strange_services(rows: Iterable[str]) -> Iterator[Stranger]:
    """The others, and the stacks that they belong to; `-` is none."""
    others = [(n, stack) for n, stack, run in _fields(rows, 3) if not is_rank(n, run)]
    for stack in dict.fromkeys(stack for _, stack in others if stack != "-"):
        yield Stranger("stack", stack)
    for name, _ in others:
        yield Stranger("service", name)


def strange_things(rows: Iterable[str]) -> Iterator[Stranger]:
    """Secrets, configs and networks of the swarm, from lines `kind name run`."""
    for kind, name, run in _fields(rows, 3):
        if kind in ("secret", "config", "network") and not (run != "-" and name.startswith(run)):
            yield Stranger(cast(Literal["secret", "config", "network"], kind), name)


def strange_containers(rows: Iterable[str]) -> Iterator[Stranger]:
    """Running containers, from lines `name restart-policy removed-at-its-end image service run`."""
    for name, policy, removed, image, service, run in _fields(rows, 6):
        name = name.removeprefix("/")
        if is_of_a_run(image, service.strip("-"), run.strip("-")):
            continue
        if service != "-":
            yield Stranger("task", name)
        elif policy in _COMES_BACK:
            yield Stranger("container", name)
        else:
            yield Stranger("container", name, "gone" if removed == "true" else "stopped")


def _fields(rows: Iterable[str], count: int) -> Iterator[list[str]]:
    """Of lines that have them all; a label with blanks in it is the last, and none of ours."""
    for line in rows:
        fields = [field[:_LONGEST] for field in line.split(" ", count - 1)]
        if len(fields) == count and all(fields):
            yield fields


def _parse(raw: Raw) -> Strangers:
    services = lines(raw.get("services", b""))
    return Strangers(
        services=our_services(services),
        strangers=(
            *strange_containers(lines(raw["running"])),
            *strange_services(services),
            *strange_things(lines(raw.get("things", b""))),
        ),
    )


def _printed(facts: Strangers) -> Printed:
    strangers = facts.strangers
    ours = [f"{name} - {name.partition('_rank')[0]}" for name in facts.services]
    others = [f"{one.name} - -" for one in strangers if one.kind == "service"]
    running = [_running(one) for one in strangers if one.kind in ("container", "task")]
    return {
        "services": "\n".join([*ours, *others]),
        "running": "\n".join(running),
        "things": "\n".join(f"{one.kind} {one.name} -" for one in strangers),
    }


def _running(one: Stranger) -> str:
    policy = "always" if one.restart == "back" else "no"
    removed = str(one.restart == "gone").lower()
    return f"/{one.name} {policy} {removed} image {'x' if one.kind == 'task' else '-'} -"


STRANGERS = Group(
    lambda paths: "",
    _parse,
    lambda number: Strangers(services=(), strangers=()),
    _printed,
)
