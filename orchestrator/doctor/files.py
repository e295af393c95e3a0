"""The two files of Docker that sparkctl writes: in a state that can be built upon."""

import tomllib
from collections.abc import Iterator

from orchestrator.doctor.check import OfMachine, Problem
from orchestrator.facts.machine import Facts
from orchestrator.names import DAEMON_JSON, RUNTIME_CONFIG
from orchestrator.resources.daemon_merge import parse
from orchestrator.spec.cluster import ClusterSpec


@OfMachine.about(
    "files",
    before=("up",),
    order=240,
    why=f"Keys are merged into {DAEMON_JSON}: one that is no JSON cannot be, and `live-restore` "
    "excludes Swarm.",
    fix="Fix it by hand; Docker itself would not start with it again.",
)
def daemon_json_can_be_merged(facts: Facts, spec: ClusterSpec) -> Iterator[Problem]:
    """Where there is one."""
    if facts.daemon_json is None:
        return
    try:
        document = parse(facts.daemon_json.content)
    except ValueError as error:
        yield Problem(f"{DAEMON_JSON} on {facts.node} is not valid JSON", str(error))
        return
    if document.get("live-restore") is True:
        yield Problem(
            f'{DAEMON_JSON} on {facts.node} has "live-restore": true, which excludes Swarm',
            fix="Remove that key; with it Docker refuses to start as a swarm node.",
        )


@OfMachine.about(
    "files",
    before=("up",),
    order=250,
    why="One key of it is set; in a file that is no TOML there is no place for it.",
    fix="Fix it by hand, or regenerate it with `nvidia-ctk config`.",
)
def runtime_config_can_be_read(facts: Facts, spec: ClusterSpec) -> Iterator[Problem]:
    """Where there is one."""
    if facts.runtime_config is None:
        return
    try:
        tomllib.loads(facts.runtime_config.content.decode())
    except ValueError as error:
        yield Problem(f"{RUNTIME_CONFIG} on {facts.node} is not valid TOML", str(error))
