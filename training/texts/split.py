"""Which examples are trained on, and which are held out."""

from collections.abc import Sequence
from typing import TypeVar

from training.contract.config import Data
from training.contract.errors import ConfigurationError

T = TypeVar("T")


def split(examples: Sequence[T], data: Data) -> tuple[tuple[T, ...], tuple[T, ...]]:
    """Set `held_out_rows` apart, evenly spaced: sorted files give a fair sample, without chance."""
    if len(examples) <= data.held_out_rows:
        raise ConfigurationError(
            "data_too_small",
            f"{data.label} has {len(examples)} rows, of which {data.held_out_rows} are held out: "
            "nothing is left to train on",
            "Lower data.held_out_rows or use more data.",
        )
    apart = {i * len(examples) // data.held_out_rows for i in range(data.held_out_rows)}
    return (
        tuple(e for i, e in enumerate(examples) if i not in apart),
        tuple(e for i, e in enumerate(examples) if i in apart),
    )
