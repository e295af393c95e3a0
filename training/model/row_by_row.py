"""Which conversions leave the first dimension alone, so that its rows can be converted apart.

FSDP2 shards weights by their rows: a rank then reads no more of the files than its own, and nobody
ever holds a whole group (the experts of a layer) beside the model.
"""

from enum import Enum
from typing import Any

from transformers.core_model_loading import (
    Chunk,
    Concatenate,
    Interleave,
    MergeModulelist,
    Transpose,
)

from training.model.conversion import Group


class Apart(Enum):
    """What a row of a converted weight comes from."""

    ROWS = "the same row of every weight of the files"
    PARTS = "one weight of the files for each pattern: an expert"
    NOT = "nobody knows"


def rows_apart(group: Group, dimensions: int) -> Apart | None:
    """How the group's rows can be converted apart, exactly; None: only as a whole.

    `dimensions` are those of its first target. Operations that are not known here are not trusted.
    """
    if dimensions == 0:
        return None
    if group.converter is None:
        return Apart.ROWS
    rest = [op for op in group.converter.operations if type(op).__name__ != "Fp8Dequantize"]
    unpacks = len(rest) < len(group.converter.operations)
    if rest and type(rest[0]) is MergeModulelist and rest[0].dim == 0:
        parts = {len(names) for names in group.sources.values()}
        rows = {shape[0] for shape in group.targets.values()}
        return Apart.PARTS if parts == rows and all(_spares_rows(op) for op in rest[1:]) else None
    alone = all(len(names) == 1 for names in group.sources.values())
    return Apart.ROWS if alone and not unpacks and all(_spares_rows(op) for op in rest) else None


def _spares_rows(operation: Any) -> bool:
    if type(operation) in (Concatenate, Chunk, Interleave):
        return bool(operation.dim > 0)
    if type(operation) is Transpose:
        return min(operation.dim0, operation.dim1) > 0 and not operation.check_dims
    return type(operation).__name__ == "Mxfp4Dequantize"  # experts are its first dimension
