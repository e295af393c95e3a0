"""Adapters from the middle of a training, ready to be tried while it goes on.

adapters/step-20/       on rank 0's node, as peft's from_pretrained takes it
"""

import shutil
from pathlib import Path

from transformers import PreTrainedTokenizerBase

from training.contract.errors import writing
from training.contract.events import AdapterSaved
from training.contract.files import ADAPTERS
from training.model import adapter
from training.model.adapter import Adapted
from training.ranks.joined import Joined

_STEP = "step-"


class AdaptersOnTheWay:
    """Writes one every so many steps, and keeps the newest; not after the last step."""

    def __init__(self, rank: Joined, adapted: Adapted, tokenizer: PreTrainedTokenizerBase) -> None:
        self._rank = rank
        self._adapted = adapted
        self._tokenizer = tokenizer
        self._folder = rank.env.run_dir / ADAPTERS

    def after(self, step: int) -> None:
        """Rank 0 writes; where it cannot, all ranks end."""
        settings = self._rank.config.checkpoint
        if step % settings.adapter_every:
            return
        kept = self._rank.group.with_step_timeout().run_on_all(
            lambda: self._save(step, settings.adapter_keep)
        )
        if self._rank.env.rank:
            return
        self._rank.log.emit(
            AdapterSaved(
                rank=0,
                step=step,
                folder=str(self._at(step)),
                kept=tuple(kept),
                elapsed=self._rank.log.elapsed,
            )
        )

    def _save(self, step: int, keep: int) -> list[int]:
        if self._rank.env.rank:
            return []
        temp, target = self._folder / f".{_STEP}{step}.tmp", self._at(step)
        with writing(target):
            adapter.write(self._adapted, self._tokenizer, self._rank.config.model.name, temp)
            shutil.rmtree(target, ignore_errors=True)  # of an attempt that came as far as this
            temp.rename(target)
        return self._prune(keep)

    def _prune(self, keep: int) -> list[int]:
        """Remove the oldest, and what a killed attempt left half written; the steps that stay."""
        names = [path.name.removeprefix(_STEP) for path in self._folder.glob(f"{_STEP}*")]
        steps = sorted(int(name) for name in names if name.isdecimal())
        for left in (*map(self._at, steps[:-keep]), *self._folder.glob(f".{_STEP}*.tmp")):
            shutil.rmtree(left)
        return steps[-keep:]

    def _at(self, step: int) -> Path:
        return self._folder / f"{_STEP}{step}"
