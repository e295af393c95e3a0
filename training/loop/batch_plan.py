"""All batches of a training, and what is known of each step before it is made."""

from collections.abc import Iterable
from dataclasses import dataclass

from training.contract.config import TrainingConfig
from training.data import batches
from training.data.batches import Batch, Batching, BatchShape
from training.data.collate import Collate
from training.tokens.tokens import Sequences


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
        cls,
        sequences: Sequences,
        config: TrainingConfig,
        batching: Batching,
        ranks: int,
        collate: Collate,
    ) -> "BatchPlan":
        """`batching`: chosen by training/model/attention.py."""
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
            collate,
        )

    @property
    def steps(self) -> int:
        """Optimizer steps of the whole training."""
        return len(self.train) // (self.shape.ranks * self.shape.accumulation)

    def of_step(self, step: int) -> list[Batch]:
        """The batches of all ranks in one step, counted from 1; those of a rank are every N-th."""
        number = self.shape.ranks * self.shape.accumulation
        return self.train[(step - 1) * number : step * number]

    def of_rank(self, some: list[Batch], rank: int) -> list[Batch]:
        """Those of one rank."""
        return batches.of_rank(some, rank, self.shape.ranks)

    def tokens(self, some: Iterable[Batch]) -> int:
        """Real tokens in these batches."""
        lengths = self.sequences.train.lengths
        return sum(lengths[row] for batch in some for row in batch)

    def counted(self, some: Iterable[Batch]) -> int:
        """Tokens in these batches that the loss counts."""
        train = self.sequences.train
        return sum(train.counted(row) for batch in some for row in batch)
