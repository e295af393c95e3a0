"""A batch is what trl makes of the same rows, but for what attention is told besides."""

from typing import Any

import pytest

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]

LENGTHS = (3, 1, 7, 2)


def rows() -> list[Any]:
    from training.tokens.tokens import IGNORED, Tokens

    ids = [[10 * row + n for n in range(length)] for row, length in enumerate(LENGTHS, 1)]
    return [Tokens(row, [IGNORED] * (len(row) // 2) + row[len(row) // 2 :]) for row in ids]


@pytest.mark.parametrize("pad", [None, 5])
@pytest.mark.parametrize("told", ["lengths", "starts"])
def test_it_is_trl_s(pad: int | None, told: Any) -> None:
    import torch
    from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

    from training.data.collate import Collate

    examples = [{"input_ids": row.input_ids, "labels": row.labels} for row in rows()]
    theirs = DataCollatorForLanguageModeling(pad_token_id=pad or 0, padding_free=pad is None)(
        examples
    )
    batch = Collate(pad, told)(rows())
    if pad is None and told == "lengths":
        assert batch.pop("sequence_lengths") == LENGTHS
    if pad is None and told == "starts":
        assert batch["max_length_q"] == batch["max_length_k"] == 128
        batch |= {"max_length_q": max(LENGTHS), "max_length_k": max(LENGTHS)}
    assert batch.keys() == theirs.keys()
    for name, value in theirs.items():
        if isinstance(value, torch.Tensor):
            assert batch[name].dtype == value.dtype, name
            assert batch[name].tolist() == value.tolist(), name
        else:
            assert batch[name] == value, name


def test_what_the_loss_counts_is_known_before(tmp_path: Any) -> None:
    """What the plan says of rows is what trl's head will count in their batches."""
    from training.data.collate import Collate
    from training.tokens.tokens import IGNORED, TokenList

    listed = TokenList.of(rows())
    for batch in (Collate()(rows()), Collate(0)(rows())):
        counted = int((batch["labels"][:, 1:] != IGNORED).sum())
        assert counted == sum(listed.counted(row) for row in range(len(LENGTHS))) > 0


@pytest.mark.parametrize(("longest", "told"), [(100, 128), (128, 128), (129, 256), (1000, 1024)])
def test_few_values_stand_for_many_lengths(longest: int, told: int) -> None:
    from training.data.collate import Collate
    from training.tokens.tokens import Tokens

    batch = Collate(None, "starts")([Tokens([1] * longest, [1] * longest)])
    assert batch["max_length_q"] == told
