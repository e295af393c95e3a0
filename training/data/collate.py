"""Sequences to one batch, and where in a row each of them is."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, chain
from typing import Any, Literal

import torch
from torch.nn.utils.rnn import pad_sequence

from training.tokens.tokens import IGNORED, Tokens


@dataclass(frozen=True)
class Collate:
    """One row of all sequences, one after the other; with a `pad` token, a row for each.

    The batch is what trl's collator gives (tests/training/data/test_collate.py compares them).
    One row has positions that begin anew with every sequence and no mask: with a mask, even one
    that hides nothing, transformers takes the row for one long sequence. Attention by sequence is
    told their `lengths` as plain numbers: reading them off a tensor would make a GPU wait in every
    layer. One call for all takes the `starts`, and no number that is another in every batch.
    """

    pad: int | None = None
    told: Literal["lengths", "starts"] = "lengths"

    def __call__(self, rows: Sequence[Tokens]) -> dict[str, Any]:
        return self._flat(rows) if self.pad is None else self._padded(rows, self.pad)

    def _padded(self, rows: Sequence[Tokens], pad: int) -> dict[str, Any]:
        ids = [torch.tensor(row.input_ids) for row in rows]
        labels = [torch.tensor(row.labels) for row in rows]
        return {
            "input_ids": pad_sequence(ids, True, pad),
            "labels": pad_sequence(labels, True, IGNORED),
            "attention_mask": pad_sequence([torch.ones_like(row) for row in ids], True, 0),
        }

    def _flat(self, rows: Sequence[Tokens]) -> dict[str, Any]:
        lengths = [len(row.input_ids) for row in rows]
        # What comes first in a sequence is not foretold by the end of the one before.
        labels = chain.from_iterable([IGNORED, *row.labels[1:]] for row in rows)
        starts = torch.tensor([0, *accumulate(lengths)], dtype=torch.int32)
        longest = max(lengths)
        if self.told == "starts":  # compiled layers would be compiled for every value anew
            longest = 1 << max(longest - 1, 127).bit_length()
        batch: dict[str, Any] = {
            "input_ids": _row(chain.from_iterable(row.input_ids for row in rows)),
            "labels": _row(labels),
            "position_ids": _row(chain.from_iterable(map(range, lengths))),
            "cu_seq_lens_q": starts,
            "cu_seq_lens_k": starts,
            "max_length_q": longest,
            "max_length_k": longest,
            "seq_idx": torch.repeat_interleave(
                torch.arange(len(rows), dtype=torch.int32), torch.tensor(lengths)
            )[None],
        }
        return batch if self.told == "starts" else batch | {"sequence_lengths": tuple(lengths)}


def _row(numbers: Any) -> torch.Tensor:
    return torch.tensor([list(numbers)])


def real_tokens(batch: dict[str, Any]) -> int:
    """Tokens of a batch, padding not counted."""
    mask = batch.get("attention_mask")
    return int(batch["input_ids"].numel() if mask is None else mask.sum())
