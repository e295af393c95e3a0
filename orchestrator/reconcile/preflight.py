"""States of a machine that sparkctl does not change, each with what to do about it. Pure."""

import tomllib
from collections.abc import Callable

from orchestrator.errors import PreflightError, SparkctlError
from orchestrator.names import DAEMON_JSON, RUNTIME_CONFIG
from orchestrator.node.facts import Facts
from orchestrator.node.parallel import raise_all
from orchestrator.reconcile.journal import records
from orchestrator.resources.base import World
from orchestrator.resources.daemon_merge import parse
from orchestrator.resources.directory import Directory
from orchestrator.resources.fabric import fabric_ports
from orchestrator.spec.cluster import ClusterSpec

Check = Callable[[Facts, ClusterSpec], None]

_AGAIN = "`sparkctl cluster down`, then `sparkctl cluster up`."
_JOB_CLI = 23  # first Docker CLI whose `stack deploy` knows mode replicated-job; 20.10 refuses it


def check(spec: ClusterSpec, world: World) -> None:
    """Raise what stands in the way of `cluster up`, the first obstacle of every node."""
    problems: dict[str, SparkctlError] = {}
    for node in spec.nodes:
        for one in _CHECKS:
            try:
                one(world[node.name], spec)
            except PreflightError as problem:
                problem.node = node.name
                problems[node.name] = problem
                break
    raise_all(problems)
    _same_swarm(spec, world)


def _engine(facts: Facts, spec: ClusterSpec) -> None:
    if facts.docker is None:
        raise PreflightError(
            f"no Docker Engine answers on {facts.node}",
            resolution="On the machine: `systemctl status docker`. DGX OS brings Docker; elsewhere "
            "install it first.",
        )
    if not facts.docker_group:
        raise PreflightError(
            f"there is no group docker on {facts.node}",
            resolution="`sudo groupadd --system docker`, then restart Docker.",
        )


def _gpu(facts: Facts, spec: ClusterSpec) -> None:
    if not facts.gpus:
        raise PreflightError(
            f"nvidia-smi shows no GPU on {facts.node}",
            resolution="Run `nvidia-smi` there; after an update a reboot may be due.",
        )
    if facts.nvidia_runtime is None:
        raise PreflightError(
            f"nvidia-container-runtime is not installed on {facts.node}",
            resolution="Install the NVIDIA Container Toolkit (package nvidia-container-toolkit).",
        )


def _daemon_json(facts: Facts, spec: ClusterSpec) -> None:
    if facts.daemon_json is None:
        return
    try:
        document = parse(facts.daemon_json.content)
    except ValueError as error:
        raise PreflightError(
            f"{DAEMON_JSON} on {facts.node} is not valid JSON",
            details=str(error),
            resolution="Mend it by hand; Docker itself would not start with it again.",
        ) from None
    if document.get("live-restore") is True:
        raise PreflightError(
            f'{DAEMON_JSON} on {facts.node} has "live-restore": true, which excludes Swarm',
            resolution="Remove that key; with it Docker refuses to start as a swarm node.",
        )


def _runtime_config(facts: Facts, spec: ClusterSpec) -> None:
    if facts.runtime_config is None:
        return
    try:
        tomllib.loads(facts.runtime_config.content.decode())
    except ValueError as error:
        raise PreflightError(
            f"{RUNTIME_CONFIG} on {facts.node} is not valid TOML",
            details=str(error),
            resolution="Mend it by hand, or regenerate it with `nvidia-ctk config`.",
        ) from None


def _ours(facts: Facts, spec: ClusterSpec) -> None:
    journal = records(facts)
    # Folders that a former cluster has kept do no harm.
    others = [r for r in journal if not isinstance(r.resource, Directory)]
    foreign = sorted({r.cluster for r in others} - {spec.name})
    if foreign:
        raise PreflightError(
            f"{facts.node} belongs to the cluster {foreign[0]!r}, not to {spec.name!r}",
            resolution=f"Give it back first: `sparkctl cluster down` with the file of "
            f"{foreign[0]!r}. Only the journal on the machine knows its original state.",
        )
    in_swarm = facts.swarm_state != "inactive"
    if in_swarm and not any(r.resource.name == "swarm" for r in journal):
        raise PreflightError(
            f"{facts.node} is already in a swarm that sparkctl did not make",
            details=f"swarm state {facts.swarm_state}, node ID {facts.swarm_node_id}",
            resolution="If nobody needs it: `docker swarm leave --force` there. It is never "
            "forced from here.",
        )
    if facts.swarm_state not in ("inactive", "active"):
        raise PreflightError(
            f"the swarm on {facts.node} is in state {facts.swarm_state!r}",
            details=str(facts.swarm.get("Error") or "") or None,
            resolution=_AGAIN,
        )


_CHECKS: tuple[Check, ...] = (_engine, _gpu, _daemon_json, _runtime_config, _ours)


def _same_swarm(spec: ClusterSpec, world: World) -> None:
    manager = world[spec.manager.name]
    major = int((manager.docker_cli or "0").split(".")[0])
    if major < _JOB_CLI:
        raise PreflightError(
            f"the manager {manager.node} has Docker CLI {manager.docker_cli or '(none)'}, which "
            "cannot deploy jobs",
            resolution=f"Put a node with Docker {_JOB_CLI} or newer first in the cluster file.",
            node=manager.node,
        )
    members = {node.get("ID") for node in manager.swarm_nodes}
    ports = fabric_ports(spec, world)
    problems: dict[str, SparkctlError] = {}
    for node in spec.nodes:
        facts = world[node.name]
        if facts.swarm_state != "active":
            continue
        problem = _role(facts, manager, members) or _moved(facts, ports[node.name].address)
        if problem is not None:
            problems[node.name] = problem
            if facts is manager:  # what it does not know of its workers says nothing
                break
    raise_all(problems)


def _role(facts: Facts, manager: Facts, members: set[str | None]) -> PreflightError | None:
    """A change of role is not something that `up` makes."""
    manages = bool(facts.swarm.get("ControlAvailable"))
    if facts.node == manager.node:
        if manages:
            return None
        return PreflightError(
            f"{facts.node} is first in the cluster file, but a worker in its swarm",
            resolution=f"Put its manager first again, or {_AGAIN}",
            node=facts.node,
        )
    if facts.swarm_node_id not in members:
        return PreflightError(
            f"{facts.node} is in another swarm than {manager.node}",
            details=f"node ID {facts.swarm_node_id} is not known to {manager.node}",
            resolution=_AGAIN,
            node=facts.node,
        )
    if manages:
        return PreflightError(
            f"{facts.node} has been made a second manager of the swarm",
            resolution=f"On {manager.node}: docker node demote {facts.swarm_node_id}",
            node=facts.node,
        )
    return None


def _moved(facts: Facts, address: str) -> PreflightError | None:
    stands_on = facts.swarm.get("NodeAddr")
    if stands_on == address:
        return None
    return PreflightError(
        f"the swarm on {facts.node} stands on {stands_on}, its fabric address is now {address}",
        details="Docker cannot move a node of a swarm to another address.",
        resolution=_AGAIN,
        node=facts.node,
    )
