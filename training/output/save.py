"""The end of a good training: what was trained, the same on all ranks, goes to rank 0's disk."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.contract.config import TrainingConfig
from training.contract.environment import RunEnvironment
from training.contract.errors import writing
from training.model import adapter
from training.model.base import Base
from training.output import export, model_card
from training.ranks.group import Group
from training.ranks.group_check import require_equal


@dataclass(frozen=True)
class SavedWeights:
    """What was saved."""

    weights_sha256: str
    folder: Path | None
    """Of the adapter or model; None on ranks that save nothing."""


def save(
    trained: Base,
    tokenizer: Any,
    base: Path,
    config: TrainingConfig,
    env: RunEnvironment,
    group: Group,
    facts: model_card.CardFacts,
) -> SavedWeights:
    """Write it under another name, agree on its checksum, describe it, and rename it.

    `facts` come without the checksum, which is known only here. Every rank gathers the weights,
    rank 0 writes. Raises ConfigurationError when the ranks have trained different weights.
    """
    kind = export.FOLDER if trained.adapted is None else adapter.FOLDER
    target, temp = env.run_dir / kind, env.run_dir / f".{kind}.tmp"
    out = temp if env.rank == 0 else None

    def write() -> str:
        with writing(target):
            if trained.adapted is None:
                return export.write(trained.model, tokenizer, base, out)
            return adapter.write(trained.adapted, tokenizer, config.model.name, out)

    def publish(weights_sha256: str) -> None:
        if out is None:
            return
        with writing(target):
            text = model_card.model_card(config, facts, weights_sha256)
            (out / "README.md").write_text(text, encoding="utf-8")
            shutil.rmtree(target, ignore_errors=True)
            out.rename(target)

    weights_sha256 = require_equal(
        "the trained weights",
        group.gather((env.node, group.run_on_all(write))),
        "The ranks drifted apart while training; please report this.",
        "weights_mismatch",
    )
    group.run_on_all(lambda: publish(weights_sha256))
    return SavedWeights(weights_sha256, target if out else None)
