"""States of a machine that sparkctl does not change, each with what to do about it. Pure."""

import tomllib
from collections.abc import Callable

from orchestrator.errors import PreflightError, SparkctlError
from orchestrator.facts.machine import Facts
from orchestrator.names import DAEMON_JSON, RUNTIME_CONFIG
from orchestrator.node.parallel import raise_all
from orchestrator.reconcile.evidence import refuse_lost_journals, refuse_unread
from orchestrator.reconcile.identity import refuse_copies, refuse_one_machine_twice, refuse_renamed
from orchestrator.reconcile.journal import records
from orchestrator.reconcile.membership import troubles
from orchestrator.reconcile.plan import plan_up
from orchestrator.resources.base import World
from orchestrator.resources.daemon_merge import parse
from orchestrator.resources.directory import Directory
from orchestrator.resources.masking import masked_words
from orchestrator.spec.cluster import ClusterSpec

Check = Callable[[Facts, ClusterSpec], None]

# Flags of dockerd for keys that are ours: with a flag and a key at once it does not start. What
# --add-runtime says is merged with the file, there the file wins.
_CLASHING = {
    "--default-runtime": "default-runtime",
    "--node-generic-resource": "node-generic-resources",
}

_WHERE = "Where it comes from: `systemctl cat docker`, and the files that are named there."
_REPAIR = "The same command with --repair undoes what sparkctl did there until Docker starts."
_JOB_CLI = 23  # first Docker CLI whose `stack deploy` knows mode replicated-job; 20.10 refuses it


def check(spec: ClusterSpec, world: World) -> None:
    """Raise what stands in the way of `cluster up`, the first obstacle of every node."""
    refuse_one_machine_twice(world)
    refuse_copies(world)
    refuse_renamed(spec, world)
    _raise_first(_CHECKS, spec, world, [node.name for node in spec.members])
    _manager(spec, world)
    raise_all({name: t.error(name) for name, t in troubles(spec, world).items()})
    leaving = [node.name for node in spec.nodes if node.state == "absent"]
    refuse_lost_journals(spec, world, leaving)
    steps = plan_up(spec, world).steps
    refuse_unread(spec, world, [step.resource for step in steps if step.journaled])


def check_down(spec: ClusterSpec, world: World) -> None:
    """Raise what stands in the way of `cluster down`: Docker must be there, and the journals."""
    refuse_one_machine_twice(world)
    _raise_first((_ours, _engine_for_the_way_back), spec, world, [node.name for node in spec.nodes])
    refuse_lost_journals(spec, world, [node.name for node in spec.nodes])


def _raise_first(
    checks: tuple[Check, ...], spec: ClusterSpec, world: World, names: list[str]
) -> None:
    problems: dict[str, SparkctlError] = {}
    for name in (name for name in names if name in world):
        for one in checks:
            try:
                one(world[name], spec)
            except PreflightError as problem:
                problem.node = name
                problems[name] = problem
                break
    raise_all(problems)


def _installed(facts: Facts, spec: ClusterSpec) -> None:
    told = facts.docker or {}
    found = facts.docker_from
    if "name=rootless" in (told.get("SecurityOptions") or []):
        found = "rootless Docker"
    elif told.get("OperatingSystem") == "Docker Desktop":
        found = "Docker Desktop"
    if found:
        raise PreflightError(
            f"Docker on {facts.node} is {found}, which sparkctl does not set up",
            resolution="It needs the Docker Engine that runs as docker.service and reads "
            f"{DAEMON_JSON}. Install that instead: https://docs.docker.com/engine/install/",
        )


def _engine(facts: Facts, spec: ClusterSpec) -> None:
    if facts.docker is None:
        raise PreflightError(
            f"no Docker Engine answers on {facts.node}",
            details=facts.docker_log or None,
            resolution="On the machine: `systemctl status docker`. DGX OS brings Docker; elsewhere "
            "install it first." + (f" {_REPAIR}" if records(facts) else ""),
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


def _flags(facts: Facts, spec: ClusterSpec) -> None:
    for number, word in enumerate(facts.dockerd_flags):
        flag, _, value = word.partition("=")
        if flag in _CLASHING:
            raise PreflightError(
                f"dockerd on {facts.node} is started with {flag}, which excludes the key "
                f"{_CLASHING[flag]!r} in {DAEMON_JSON} that sparkctl sets",
                details=masked_words(f"dockerd {' '.join(facts.dockerd_flags)}"),
                resolution=f"{_WHERE} Take the flag out there, restart Docker, and run the "
                "command again.",
            )
        if flag == "--config-file" and DAEMON_JSON not in (
            value,
            *facts.dockerd_flags[number + 1 : number + 2],
        ):
            raise PreflightError(
                f"dockerd on {facts.node} does not read {DAEMON_JSON}",
                details=masked_words(f"dockerd {' '.join(facts.dockerd_flags)}"),
                resolution=f"{_WHERE} Take --config-file out there, after moving the settings to "
                f"{DAEMON_JSON}, and restart Docker.",
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
            f"{foreign[0]!r}, or with a copy of this one that has `name: {foreign[0]}`. Only the "
            "journal on the machine knows its original state.",
        )


def _engine_for_the_way_back(facts: Facts, spec: ClusterSpec) -> None:
    if facts.docker is None and facts.journal:
        raise PreflightError(
            f"no Docker Engine answers on {facts.node}, and what it holds cannot be given back",
            details=facts.docker_log or None,
            resolution=f"On the machine: `systemctl status docker`. {_REPAIR}",
        )


_CHECKS: tuple[Check, ...] = (
    _installed,
    _engine,
    _gpu,
    _flags,
    _daemon_json,
    _runtime_config,
    _ours,
)


def _manager(spec: ClusterSpec, world: World) -> None:
    manager = world[spec.manager.name]
    major = int((manager.docker_cli or "0").split(".")[0])
    if major < _JOB_CLI:
        raise PreflightError(
            f"the manager {manager.node} has Docker CLI {manager.docker_cli or '(none)'}, which "
            "cannot deploy jobs",
            resolution=f"Put a node with Docker {_JOB_CLI} or newer first in the cluster file.",
            node=manager.node,
        )
