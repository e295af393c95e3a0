"""All batches of a training, and what is known of each step before it is made."""

from dataclasses import dataclass, replace

from training.contract.config import TrainingConfig
from training.data import batches
from training.data.batches import Batch, BatchShape, Step
from training.data.collate import Collate
from training.tokens.tokens import Sequences


@dataclass(frozen=True)
class BatchPlan:
    """All data of a training: the sequences, and the batches that they are cut into."""

    sequences: Sequences
    shape: BatchShape
    train: list[Step]
    held_out: list[Batch]
    collate: Collate

    @classmethod
    def of(
        cls,
        sequences: Sequences,
        config: TrainingConfig,
        shape: BatchShape,
        collate: Collate,
    ) -> "BatchPlan":
        """`shape`: as training/data/batching.py chose it."""
        loop = config.loop
        room = loop.tokens_per_pass or shape.rows * config.data.max_length
        each = replace(shape, rows=min(shape.rows, room // config.data.max_length))
        return cls(
            sequences,
            shape,
            batches.steps(sequences.train.lengths, shape, loop.seed, loop.epochs, loop.max_steps),
            batches.held_out(len(sequences.held_out), each),
            collate,
        )

    @property
    def steps(self) -> int:
        """Optimizer steps of the whole training."""
        return len(self.train)

    def held_out_of(self, rank: int) -> list[Batch]:
        """The held-out batches of one rank."""
        return batches.of_rank(self.held_out, rank, self.shape.ranks)
