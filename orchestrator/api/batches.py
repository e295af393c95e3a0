"""What the rows of a data set make of a recipe's passes."""

from collections.abc import Sequence

from orchestrator.spec.data_report import BatchesPart
from training.contract.config import TrainingConfig
from training.contract.names import source_of
from training.data.batches import steps
from training.data.batching import SMALL, Circumstances, choose, shape


def batches_of(
    training: TrainingConfig, lengths: Sequence[int], *, sharded: bool
) -> BatchesPart | None:
    """Of one epoch; `lengths`: tokens of each row. None without rows.

    Attention is taken to keep the sequences of a row apart, which the ranks find out.
    """
    if not lengths:
        return None
    parameters = 0 if source_of(training.model.name) == "builtin" else SMALL
    here = Circumstances(True, parameters, sharded, 1, lengths)
    batching = choose(training, here)
    cut = shape(training, 1, batching)
    made = steps(lengths, cut, training.loop.seed, 1.0, None)
    passes = [batch for one in made for batch in one[0]]
    rows = sum(map(len, passes))
    tokens = sum(lengths[row] for batch in passes for row in batch)
    return BatchesPart(
        batching=batching,
        rows_per_pass=rows / len(passes),
        tokens_per_pass=tokens / len(passes),
        room=cut.room,
        passes=round(len(passes) * len(lengths) / rows),
    )
