"""From ranks to what is deployed: one compose file, one accelerate config per rank. Pure."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from orchestrator.names import LABEL_CLUSTER, LABEL_NODE, LABEL_RANK, LABEL_RUN, LABEL_STACK
from orchestrator.spec.cluster import ClusterSpec
from orchestrator.spec.stack import StackSpec
from orchestrator.stack.environment import (
    ACCELERATE,
    CACHE_DIR,
    DATA_DIR,
    HUB,
    RUN_DIR,
    TRAINING,
    environment_of,
)
from orchestrator.stack.ranks import Rank
from orchestrator.templates import rendered as template
from training.contract.environment import NONCE


@dataclass(frozen=True)
class ConfigFile:
    """A Docker config; immutable, so its name carries the hash of its content."""

    name: str
    content: str


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
    *,
    run: str,
    image: str,
    secrets: tuple[str, ...] = (),
) -> Rendered:
    """Everything of one run.

    `run` is unique and names the Swarm stack; `secrets` are the names of those that have a value.
    """
    world_size = len(ranks)
    training = json.dumps(stack.training.model_dump(mode="json"), indent=2) + "\n"
    training_config = _config(run, "training", training)
    accelerate = [
        _config(
            run,
            f"accelerate-rank{rank.rank}",
            template(
                "accelerate.yml.j2",
                rank=rank,
                world_size=world_size,
                main_process_ip=ranks[0].address,
                main_process_port=spec.fabric.port,
            ),
        )
        for rank in ranks
    ]
    stored, nonce = tuple((name, f"{run}-{name}") for name in secrets), f"{run}-{NONCE}"
    compose = template(
        "compose.yml.j2",
        image=image,
        ranks=[
            _rank_view(
                rank,
                config.name,
                environment_of(rank, ranks, run, spec, stack, secrets),
                _labels(rank, run, spec, stack),
                run,
            )
            for rank, config in zip(ranks, accelerate, strict=True)
        ],
        secrets=[{"name": n, "store_name": store} for n, store in (*stored, (NONCE, nonce))],
        shm=stack.shm or spec.container.shm,
        cap_add=spec.container.cap_add,
        ulimits=spec.container.ulimits,
        stop_grace_seconds=stack.stop_grace_seconds,
        restart=_restart_policy(stack),
        gpu_kind=spec.gpu.kind,
        training_config=training_config.name,
        accelerate_path=ACCELERATE,
        training_path=TRAINING,
    )
    return Rendered(run, image, compose, (training_config, *accelerate), stored, nonce)


def _rank_view(
    rank: Rank, config: str, environment: dict[str, str], labels: dict[str, str], run: str
) -> dict[str, Any]:
    return {
        "rank": rank.rank,
        "uid": rank.uid,
        "gid": rank.gid,
        "swarm_node_id": rank.swarm_node_id,
        "accelerate_config": config,
        "environment": environment,
        "labels": labels,
        "binds": [
            _bind(f"{rank.runs}/{run}", RUN_DIR),
            _bind(rank.cache, CACHE_DIR),
            _bind(rank.hub, HUB),
            _bind(rank.data, DATA_DIR, read_only=True),
        ],
    }


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


def _config(run: str, what: str, content: str) -> ConfigFile:
    digest = hashlib.sha256(content.encode()).hexdigest()[:8]
    return ConfigFile(f"{run}-{what}-{digest}", content)
