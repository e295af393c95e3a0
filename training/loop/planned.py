"""trl's SFTTrainer, with batches from a plan (`training.data.batches`) instead of a sampler."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from datasets import Dataset
from torch.utils.data import DataLoader
from transformers.trainer_utils import EvalLoopOutput
from trl import SFTTrainer

from training.contract.config import TrainingConfig
from training.data import batches
from training.data.batches import Batch, Batching, BatchShape
from training.data.collate import Collate, real_tokens
from training.tokens.tokens import IGNORED, Sequences, Tokens


@dataclass(frozen=True)
class BatchPlan:
    """All data of a training: the sequences, and the batches that they are cut into."""

    sequences: Sequences
    shape: BatchShape
    train: list[Batch]
    held_out: list[Batch]
    collate: Collate

    @classmethod
    def of(
        cls, sequences: Sequences, config: TrainingConfig, batching: Batching, ranks: int, pad: int
    ) -> "BatchPlan":
        """`batching`: chosen by training/model/attention.py; `pad`: the token that fills rows."""
        loop = config.loop
        room = loop.per_device_batch_size * config.data.max_length
        shape = BatchShape(
            ranks=ranks,
            accumulation=loop.gradient_accumulation_steps,
            rows=loop.per_device_batch_size,
            room=room if batching == "packed" else None,
        )
        return cls(
            sequences,
            shape,
            batches.plan(sequences.train.lengths, shape, loop.seed, loop.epochs, loop.max_steps),
            batches.held_out(len(sequences.held_out), shape),
            Collate(pad if batching == "padded" else None),
        )

    @property
    def steps(self) -> int:
        """Optimizer steps of the whole training."""
        return len(self.train) // (self.shape.ranks * self.shape.accumulation)


class PlannedTrainer(SFTTrainer):  # type: ignore[misc]
    """Takes its batches as planned, counts real tokens, and weighs held-out tokens equally.

    Every rank loads its own batches and no others, so accelerate has nothing to distribute. The
    plan covers the whole training, which the trainer takes for one epoch: to resume at step N it
    skips as many batches of the list.
    """

    aux_loss_enabled: bool
    """trl's: whether it adds the router's loss of a model with experts."""

    def __init__(self, batch_plan: BatchPlan, **settings: Any) -> None:
        self.batch_plan = batch_plan
        self.tokens = 0
        """Tokens of this rank since the start, without padding."""
        super().__init__(
            # What it would prepare is prepared; it wants to see columns all the same.
            train_dataset=_columns(batch_plan.sequences.train[:1]),
            eval_dataset=_columns(batch_plan.sequences.held_out[:1]),
            **settings,
        )

    def get_train_dataloader(self) -> "DataLoader[Tokens]":
        """The batches of this rank, from step 1 to the last."""
        return self._loader(self.batch_plan.sequences.train, self.batch_plan.train)

    def get_eval_dataloader(self, eval_dataset: Any = None) -> "DataLoader[Tokens]":
        """This rank's part of the held-out rows."""
        return self._loader(self.batch_plan.sequences.held_out, self.batch_plan.held_out)

    def get_batch_samples(self, *args: Any, **kwargs: Any) -> Any:
        """The batches of one optimizer step."""
        samples, items = super().get_batch_samples(*args, **kwargs)
        self.tokens += sum(map(real_tokens, samples))
        return samples, items

    def evaluation_loop(self, dataloader: Any, *args: Any, **kwargs: Any) -> EvalLoopOutput:
        """Mean loss of a held-out token, over all ranks.

        The trainer's own mean is one of batch means: it depends on which rows meet in a batch. Of
        tokens alone: what trl adds for the balance of a model's experts is for training.
        """
        self.model.eval()
        balances, self.aux_loss_enabled = self.aux_loss_enabled, False
        total = torch.zeros(2, dtype=torch.float64)
        for batch in dataloader:
            counted = int((batch["labels"][:, 1:] != IGNORED).sum())
            loss, _, _ = self.prediction_step(self.model, batch, prediction_loss_only=True)
            total += torch.tensor([float(loss) * counted, counted])
        self.aux_loss_enabled = balances
        loss, counted = self.accelerator.reduce(total.to(self.args.device)).tolist()
        return EvalLoopOutput(
            predictions=None,
            label_ids=None,
            metrics={"eval_loss": loss / counted},
            num_samples=len(self.batch_plan.sequences.held_out),
        )

    def _loader(self, rows: Sequence[Tokens], of_all: Sequence[Batch]) -> "DataLoader[Tokens]":
        own = batches.of_rank(of_all, self.args.process_index, self.batch_plan.shape.ranks)
        return DataLoader(
            rows,
            batch_sampler=own,
            collate_fn=self.batch_plan.collate,
            pin_memory=self.args.dataloader_pin_memory,
        )


def _columns(rows: Sequence[Tokens]) -> Dataset:
    return Dataset.from_list([{"input_ids": r.input_ids, "labels": r.labels} for r in rows])
