"""Docker: the engine that sparkctl can set up, how it is started, and the manager's client."""

from collections.abc import Iterator

from orchestrator.doctor.check import OfCluster, OfMachine, Problem
from orchestrator.facts.machine import Facts
from orchestrator.names import DAEMON_JSON
from orchestrator.reconcile.journal import records
from orchestrator.resources.base import World
from orchestrator.resources.masking import masked_words
from orchestrator.spec.cluster import ClusterSpec

# Flags of dockerd for keys that are ours: with a flag and a key at once it does not start. What
# --add-runtime sets is merged with the file, there the file wins.
_CLASHING = {
    "--default-runtime": "default-runtime",
    "--node-generic-resource": "node-generic-resources",
}

_WHERE = "Where it comes from: `systemctl cat docker`, and the files that are named there."
_REPAIR = "The same command with --repair undoes what sparkctl did there until Docker starts."
_JOB_CLI = 23  # first Docker CLI whose `stack deploy` knows mode replicated-job; 20.10 refuses it


@OfMachine.about(
    "docker",
    before=("up",),
    order=200,
    why="The snap, rootless Docker, Docker Desktop and podman-docker read other files than those "
    "that sparkctl writes.",
    fix="It needs the Docker Engine that runs as docker.service and reads "
    f"{DAEMON_JSON}. Install that instead: https://docs.docker.com/engine/install/",
)
def docker_is_docker_service(facts: Facts, spec: ClusterSpec) -> Iterator[Problem]:
    """Another way to install Docker."""
    info = facts.docker or {}
    found = facts.docker_from
    if "name=rootless" in (info.get("SecurityOptions") or []):
        found = "rootless Docker"
    elif info.get("OperatingSystem") == "Docker Desktop":
        found = "Docker Desktop"
    if found:
        yield Problem(f"Docker on {facts.node} is {found}, which sparkctl does not set up")


@OfMachine.about(
    "docker",
    before=("up",),
    order=205,
    why="Nothing can be set up without Docker.",
    fix="Install it: https://docs.docker.com/engine/install/ (DGX OS brings it: packages docker-ce "
    "and docker-ce-cli).",
)
def docker_is_installed(facts: Facts, spec: ClusterSpec) -> Iterator[Problem]:
    """Neither an engine nor its command."""
    if facts.docker is None and facts.docker_cli is None:
        yield Problem(f"Docker is not installed on {facts.node}")


@OfMachine.about(
    "docker",
    before=("up",),
    order=210,
    why="Nothing can be set up, or seen, without the engine.",
    fix="On the machine: `systemctl status docker`, `journalctl -u docker -n 50`.",
)
def engine_answers(facts: Facts, spec: ClusterSpec) -> Iterator[Problem]:
    """With the last lines of docker.service."""
    if facts.docker is None:
        yield Problem(
            f"no Docker Engine answers on {facts.node}",
            facts.docker_log or None,
            "On the machine: `systemctl status docker`, `journalctl -u docker -n 50`."
            + (f" {_REPAIR}" if records(facts) else ""),
        )


@OfMachine.about(
    "docker",
    before=("up",),
    order=211,
    why="The login user gets into this group, to use Docker without sudo.",
    fix="`sudo groupadd --system docker`, then restart Docker.",
)
def group_docker_is_there(facts: Facts, spec: ClusterSpec) -> Iterator[Problem]:
    """Packages of Docker make it."""
    if not facts.docker_group:
        yield Problem(f"there is no group docker on {facts.node}")


@OfMachine.about(
    "docker",
    before=("up",),
    order=230,
    why="dockerd does not start with a flag and a key of its file that set the same, and reads one "
    "file alone.",
    fix=f"{_WHERE} Take the flag out there, restart Docker, and run the command again.",
)
def flags_of_dockerd_leave_the_file_to_us(facts: Facts, spec: ClusterSpec) -> Iterator[Problem]:
    """Of the dockerd that runs."""
    started = masked_words(f"dockerd {' '.join(facts.dockerd_flags)}")
    for number, word in enumerate(facts.dockerd_flags):
        flag, _, value = word.partition("=")
        if flag in _CLASHING:
            yield Problem(
                f"dockerd on {facts.node} is started with {flag}, which excludes the key "
                f"{_CLASHING[flag]!r} in {DAEMON_JSON} that sparkctl sets",
                started,
            )
        files = (value, *facts.dockerd_flags[number + 1 : number + 2])
        if flag == "--config-file" and DAEMON_JSON not in files:
            yield Problem(
                f"dockerd on {facts.node} does not read {DAEMON_JSON}",
                started,
                f"{_WHERE} Take --config-file out there, after moving the settings to "
                f"{DAEMON_JSON}, and restart Docker.",
            )


@OfMachine.about(
    "docker",
    before=("down",),
    order=270,
    why="What sparkctl has made in Docker can be removed only while it answers.",
    fix=f"On the machine: `systemctl status docker`. {_REPAIR}",
)
def engine_answers_for_the_way_back(facts: Facts, spec: ClusterSpec) -> Iterator[Problem]:
    """Only where there is something to restore."""
    if facts.docker is None and facts.journal:
        yield Problem(
            f"no Docker Engine answers on {facts.node}, and what it holds cannot be restored",
            facts.docker_log or None,
        )


@OfCluster.about(
    "docker",
    before=("up",),
    order=300,
    why="Ranks are jobs of Swarm, which an older `docker stack deploy` refuses.",
    fix=f"Put a node with Docker {_JOB_CLI} or newer first in the cluster file.",
)
def manager_deploys_jobs(spec: ClusterSpec, world: World) -> Iterator[tuple[str | None, Problem]]:
    """Of the manager alone: it reports the others."""
    manager = world[spec.manager.name]
    major = int((manager.docker_cli or "0").split(".")[0])
    if major < _JOB_CLI:
        yield (
            manager.node,
            Problem(
                f"the manager {manager.node} has Docker CLI {manager.docker_cli or '(none)'}, "
                "which cannot deploy jobs"
            ),
        )
