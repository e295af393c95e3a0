"""A job for an engine to be told of."""

from collections.abc import Mapping
from typing import Any

from orchestrator.engines.job import Job, Place


def job(training: Mapping[str, Any], ranks: int = 2) -> Job:
    """Ranks 0, 1 … on node-0, node-1 …"""
    places = tuple(Place(f"node-{rank}", f"10.0.0.{rank}", "eth0") for rank in range(ranks))
    folders = {"run_dir": "/sparkctl/run", "checkpoints": "/sparkctl/run/checkpoints"}
    return Job("test-0a1b2c", places, 29500, training, folders, ("HF_TOKEN",))
