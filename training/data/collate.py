"""Sequences to one batch: trl's collator, and the lengths that attention by sequence needs."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Literal

import torch
from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

from training.tokens.tokens import Tokens


@dataclass(frozen=True)
class Collate:
    """One row of all sequences, one after the other; with a `pad` token, a row for each.

    One row has positions that begin anew with every sequence and no mask: with a mask, even one
    that hides nothing, transformers takes the row for one long sequence. Attention is told where
    the sequences are: `lengths` as plain numbers for one call each, or `starts` for one call.
    """

    pad: int | None = None
    told: Literal["lengths", "starts"] = "lengths"

    def __call__(self, rows: Sequence[Tokens]) -> dict[str, Any]:
        examples = [{"input_ids": row.input_ids, "labels": row.labels} for row in rows]
        flat = self.pad is None
        collator = DataCollatorForLanguageModeling(pad_token_id=self.pad or 0, padding_free=flat)
        batch: dict[str, Any] = collator(examples)
        if flat:
            batch |= self._where([len(row.input_ids) for row in rows])
        return batch

    def _where(self, lengths: Sequence[int]) -> dict[str, Any]:
        # Plain numbers: reading them off a tensor would make a GPU wait in every layer.
        if self.told == "lengths":
            return {"sequence_lengths": tuple(lengths)}
        starts = torch.tensor([0, *accumulate(lengths)], dtype=torch.int32)
        # A power of two, because compiled layers are compiled for every value anew.
        return {"sequence_starts": starts, "longest": 1 << max(max(lengths) - 1, 127).bit_length()}


def real_tokens(batch: dict[str, Any]) -> int:
    """Tokens of a batch, padding not counted."""
    mask = batch.get("attention_mask")
    return int(batch["input_ids"].numel() if mask is None else mask.sum())
