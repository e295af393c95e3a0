"""Everything that `sparkctl init` looks at, of all machines at once: one list. Pure.

What `cluster up` demands of a machine is asked by the checks that it asks itself.
"""

import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from orchestrator.doctor.check import OfCluster, OfMachine, Problem
from orchestrator.doctor.disk import LEAST
from orchestrator.doctor.found import checks_before
from orchestrator.errors import (
    AuthenticationError,
    HostKeyError,
    NodeErrors,
    PassphraseNeededError,
    PreflightError,
    SparkctlError,
    SudoError,
)
from orchestrator.facts.machine import Facts
from orchestrator.node.login import Login
from orchestrator.resources.fabric import fabric_ports
from orchestrator.spec.cluster import ClusterSpec
from training.plan.memory import GIB

State = Literal["ok", "note", "fix", "unknown"]
"""A note stops nothing; `unknown`: it could not be looked at."""

_STEPS = ("reachable", "host key", "ssh key", "sudo")
_COMFORT = 200 * GIB
"""Free bytes with which nobody has to think of the disk: a base of 70B (141 GB) and the images."""


@dataclass(frozen=True)
class Item:
    """One line of the list."""

    node: str | None
    """None: this computer."""
    check: str
    state: State
    says: str
    details: str = ""
    """Literal lines."""
    fix: str = ""
    """The command, or what to do; a line each."""


@dataclass(frozen=True)
class Seen:
    """What became of one machine."""

    login: Login | None = None
    """How it is logged in to; None for this computer, or when ssh_config does not say."""
    unreached: SparkctlError | None = None
    unread: SparkctlError | None = None
    """Why its facts are not known, where a connection was made."""
    facts: Facts | None = None
    sudo_asks: bool | None = None
    free: Mapping[str, int] | None = None
    """Bytes, by what the folder is for."""


def first_look(spec: ClusterSpec, seen: Mapping[str, Seen], hub: str | None) -> list[Item]:
    """Machine by machine, then what stands between them, then this computer. `hub`: where a token
    of the Hugging Face Hub comes from."""
    world = {name: one.facts for name, one in seen.items() if one.facts is not None}
    machines = {name: list(_machine(name, facts, spec)) for name, facts in world.items()}
    sound = not any(item.state == "fix" for of_one in machines.values() for item in of_one)
    of_all = [*_fabric(spec, world), *(_together(spec, world) if sound else ())]
    items = list[Item]()
    for name, one in seen.items():
        items += _way(name, one)
        if name in machines:
            items += machines[name]
            items += [item for item in of_all if item.node == name]
            items += _disk(name, one.free)
    return [*items, *(item for item in of_all if item.node not in seen), _hub(hub)]


def _way(name: str, one: Seen) -> Iterator[Item]:
    """From here to root on the machine. Who fails at one step has passed those before."""
    error = one.unreached or one.unread
    if error is None:
        yield from (Item(name, step, "ok", _passed(step, one)) for step in _STEPS)
        return
    failed = _step(one)
    passed = _STEPS[: _STEPS.index(failed)] if failed in _STEPS else _STEPS[:-1]
    yield from (Item(name, step, "ok", _passed(step, one)) for step in passed)
    fix = _keys(one.login, error) if failed == "ssh key" else error.resolution or ""
    yield Item(name, failed, "fix", error.brief, error.details or "", fix)
    rest = [step for step in _STEPS if step not in (*passed, failed)]
    unknown = ", ".join((*rest, "docker", "gpu", "fabric", "disk"))
    yield Item(name, "the rest", "unknown", f"not looked at yet: {unknown}")


def _step(one: Seen) -> str:
    """Where it failed; `reading` after the login, and not at sudo."""
    match one.unreached:
        case None:
            return "sudo" if isinstance(one.unread, SudoError) else "reading"
        case HostKeyError():
            return "host key"
        case AuthenticationError():
            return "ssh key"
    return "reachable"


def _passed(step: str, one: Seen) -> str:
    if one.login is None:
        here = {"reachable": "this computer", "sudo": _sudo(one)}
        return here.get(step, "not needed: no SSH")
    return {
        "reachable": one.login.where,
        "host key": "known",
        "ssh key": f"accepted for {one.login.user}",
        "sudo": _sudo(one),
    }[step]


def _sudo(one: Seen) -> str:
    return "works, with the password" if one.sudo_asks else "works without a password"


def _keys(login: Login | None, error: SparkctlError) -> str:
    """The commands that put a key there."""
    if login is None or isinstance(error, PassphraseNeededError):
        return error.resolution or ""
    make = [] if login.keys else ["ssh-keygen -t ed25519"]
    words = ["ssh-copy-id", *(["-i", f"{login.keys[0]}.pub"] if login.keys else [])]
    words += ["-p", str(login.port)] if login.port != 22 else []
    words += ["-o", f"ProxyJump={login.proxy_jump}"] if login.proxy_jump else []
    return "\n".join([*make, shlex.join([*words, f"{login.user}@{login.host}"])])


def _machine(name: str, facts: Facts, spec: ClusterSpec) -> Iterator[Item]:
    """What `up` demands of it, subject by subject."""
    checks = [check for check in checks_before("up") if isinstance(check, OfMachine)]
    for subject in dict.fromkeys(check.name for check in checks):
        found = [
            _problem(name, check, problem)
            for check in checks
            if check.name == subject
            for problem in check.look(facts, spec)
        ]
        yield from found or [Item(name, subject, "ok", _in_order(subject, facts))]


def _problem(node: str | None, check: OfMachine | OfCluster, found: Problem) -> Item:
    state: State = "note" if check.warns or not found.stops else "fix"
    return Item(node, check.name, state, found.message, found.details or "", found.fix or check.fix)


def _in_order(subject: str, facts: Facts) -> str:
    if subject == "docker":
        return f"Docker Engine {facts.engine or '(unknown)'}, client {facts.docker_cli or 'none'}"
    if subject == "gpu":
        gpu = facts.gpus[0]
        return f"{gpu.name}, driver {gpu.driver}, {facts.nvidia_toolkit or 'a container toolkit'}"
    return {"journal": "no other cluster has it"}.get(subject, "can be changed, and restored")


def _together(spec: ClusterSpec, world: Mapping[str, Facts]) -> Iterator[Item]:
    """What `up` demands of all of them, when all were read."""
    if any(node.name not in world for node in spec.members):
        return
    for check in checks_before("up"):
        if isinstance(check, OfCluster):
            for node, problem in check.look(spec, world):
                yield _problem(node, check, problem)


def _fabric(spec: ClusterSpec, world: Mapping[str, Facts]) -> Iterator[Item]:
    try:
        ports = fabric_ports(spec, world)
    except NodeErrors as several:
        yield from map(_no_fabric, several.errors)
        return
    except PreflightError as error:
        yield _no_fabric(error)
        return
    for name, port in ports.items():
        alone = " (no cable: it is the only machine)" if port.interface == "lo" else ""
        yield Item(name, "fabric", "ok", f"{port.interface} {port.address}{alone}")


def _no_fabric(error: SparkctlError) -> Item:
    return Item(
        error.node, "fabric", "fix", error.brief, error.details or "", error.resolution or ""
    )


def _disk(name: str, free: Mapping[str, int] | None) -> Iterable[Item]:
    if not free:
        return [Item(name, "disk", "unknown", "df shows nothing")]
    says = ", ".join(f"{bytes_ / GIB:,.0f} GiB free for {what}" for what, bytes_ in free.items())
    least = min(free.values())
    if least < LEAST:
        return [Item(name, "disk", "fix", says, fix="Make room: docker system df shows images")]
    if least < _COMFORT:
        why = "a base of 70B takes 141 GB, the image about 25"
        return [Item(name, "disk", "note", f"{says}; {why}")]
    return [Item(name, "disk", "ok", says)]


def _hub(source: str | None) -> Item:
    if source is not None:
        return Item(None, "Hugging Face", "ok", f"token {source}")
    return Item(
        None, "Hugging Face", "note", "no login; only models with a licence to accept need one",
        fix="hf auth login",
    )  # fmt: skip
