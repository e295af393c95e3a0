"""From ranks to what is deployed: one compose file, and the files of the engine. Pure."""

from dataclasses import dataclass
from typing import Any

from orchestrator.engines.engine import Engine
from orchestrator.engines.job import Job
from orchestrator.names import LABEL_CLUSTER, LABEL_NODE, LABEL_RANK, LABEL_RUN, LABEL_STACK
from orchestrator.spec.cluster import ClusterSpec
from orchestrator.spec.script import Mount
from orchestrator.spec.stack import StackSpec
from orchestrator.stack.environment import (
    CACHE_DIR,
    DATA_DIR,
    HUB,
    RUN_DIR,
    environment_of,
)
from orchestrator.stack.files import ConfigFile, configs_of
from orchestrator.stack.job import job_of
from orchestrator.stack.ranks import Rank, binds_of
from orchestrator.templates import render_template
from training.contract.environment import NONCE


@dataclass(frozen=True)
class Rendered:
    """Exactly what is deployed."""

    run: str
    image: str
    compose: str
    configs: tuple[ConfigFile, ...]
    secrets: tuple[tuple[str, str], ...]
    """(name, name in Docker's secret store); values are never rendered."""
    nonce: str
    """Name in that store of what the ranks know each other by. Its value is made at the deploy."""


def render(
    spec: ClusterSpec,
    stack: StackSpec,
    ranks: list[Rank],
    engine: Engine,
    *,
    run: str,
    image: str,
    secrets: tuple[str, ...] = (),
) -> Rendered:
    """Everything of one run.

    `run` is unique and names the Swarm stack; `secrets` are the names of those that have a value.
    """
    stack = stack.model_copy(update={"gang": engine.with_timeouts(stack.gang)})
    job = job_of(spec, stack, ranks, run, secrets)
    configs = configs_of(engine, job)
    stored, nonce = tuple((name, f"{run}-{name}") for name in secrets), f"{run}-{NONCE}"
    compose = render_template(
        "compose.yml.j2",
        image=image,
        ranks=[
            _rank_view(
                rank,
                found := [config for config in configs[::-1] if config.rank in (None, rank.rank)],
                environment_of(
                    rank, ranks, run, spec, stack, secrets,
                    engine_files=_engine_files(found, engine, job),
                    own=engine.environment(job, rank.rank),
                ),
                _labels(rank, run, spec, stack),
                run,
                binds_of(stack),
            )
            | {"command": engine.command(job, rank.rank)}
            for rank in ranks
        ],
        configs=configs,
        secrets=[{"name": n, "store_name": store} for n, store in (*stored, (NONCE, nonce))],
        shm=stack.shm or spec.container.shm,
        cap_add=spec.container.cap_add,
        ulimits=spec.container.ulimits,
        stop_grace_seconds=stack.stop_grace_seconds,
        restart=_restart_policy(stack),
        gpu_kind=spec.gpu.kind,
    )  # fmt: skip
    return Rendered(run, image, compose, configs, stored, nonce)


def _rank_view(
    rank: Rank,
    files: list[ConfigFile],
    environment: dict[str, str],
    labels: dict[str, str],
    run: str,
    mounts: list[Mount],
) -> dict[str, Any]:
    return {
        "rank": rank.rank,
        "uid": rank.uid,
        "gid": rank.gid,
        "swarm_node_id": rank.swarm_node_id,
        "files": files,
        "environment": environment,
        "labels": labels,
        "binds": [
            _bind(f"{rank.runs}/{run}", RUN_DIR),
            _bind(rank.cache, CACHE_DIR),
            _bind(rank.hub, HUB),
            _bind(rank.data, DATA_DIR, read_only=True),
            *(
                _bind(source, mount.target, read_only=mount.read_only)
                for source, mount in zip(rank.mounts, mounts, strict=True)
            ),
        ],
    }


def _engine_files(files: list[ConfigFile], engine: Engine, job: Job) -> dict[str, str]:
    return {file.variable: file.target for file in files if file.variable} | engine.watched(job)


def _bind(source: str, target: str, *, read_only: bool = False) -> dict[str, Any]:
    return {"source": source, "target": target, "read_only": read_only}


def _labels(rank: Rank, run: str, spec: ClusterSpec, stack: StackSpec) -> dict[str, str]:
    return {
        LABEL_CLUSTER: spec.name,
        LABEL_RUN: run,
        LABEL_STACK: stack.name,
        LABEL_RANK: str(rank.rank),
        LABEL_NODE: rank.node,
    }


def _restart_policy(stack: StackSpec) -> dict[str, Any]:
    """Swarm starts every container again that exits with something else than 0.

    When that is to end is for the supervisors (training/gang), who then exit with 0. The limit is
    for containers in which not even those can start; machines that reboot must not use it up.
    """
    return {
        "condition": "on-failure",
        "delay": f"{stack.gang.backoff_seconds}s",
        "max_attempts": 2 * stack.gang.attempts,
    }
