"""What an engine gets to know of a run. Pure."""

from orchestrator.engines.job import Job, Place
from orchestrator.spec.cluster import ClusterSpec
from orchestrator.spec.stack import StackSpec
from orchestrator.stack.environment import CACHE_DIR, DATA_DIR, HUB, RUN_DIR
from orchestrator.stack.ranks import Rank
from training.contract.files import CHECKPOINTS

_FOLDERS = {
    "run_dir": RUN_DIR,
    "checkpoints": f"{RUN_DIR}/{CHECKPOINTS}",
    "cache_dir": CACHE_DIR,
    "hub_dir": HUB,
    "data_dir": DATA_DIR,
}


def job_of(
    spec: ClusterSpec, stack: StackSpec, ranks: list[Rank], run: str, secrets: tuple[str, ...]
) -> Job:
    """Names, addresses and settings: nothing of Docker."""
    return Job(
        run=run,
        places=tuple(Place(rank.node, rank.address, rank.interface) for rank in ranks),
        port=spec.fabric.port,
        training=stack.training.model_dump(mode="json") if stack.training else {},
        folders=_FOLDERS,
        secrets=secrets,
    )
