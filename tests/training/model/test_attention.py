"""Sequences in one row: each learns as if it were alone, and a leak does not go unseen."""

from collections.abc import Callable
from typing import Any

import pytest

from training.contract.errors import ConfigurationError

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]

LENGTHS = (3, 17, 2, 40, 9)
Batch = dict[str, Any]


@pytest.fixture
def model() -> Any:
    """A Llama with grouped heads and an adapter that already does something; all weights learn."""
    return _adapted(_llama())


@pytest.fixture
def rows() -> list[Any]:
    """Sequences of random tokens; the first third of each is prompt."""
    import torch

    from training.tokens.tokens import IGNORED, Tokens

    chance = torch.Generator().manual_seed(5)
    drawn = [torch.randint(3, 90, (n,), generator=chance).tolist() for n in LENGTHS]
    return [Tokens(ids, [IGNORED] * (len(ids) // 3) + ids[len(ids) // 3 :]) for ids in drawn]


@pytest.mark.parametrize("way", ["by-sequence", "checkpointed", "dense-mask"])
def test_losses_and_gradients_are_those_of_one_by_one(
    model: Any, rows: list[Any], way: str
) -> None:
    from training.data.collate import Collate
    from training.model.attention import BY_SEQUENCE, choose_batching

    alone = _learn(model, [Collate(0)([row]) for row in rows])
    padded = _learn(model, [Collate(0)(rows)])
    if way != "dense-mask":
        assert choose_batching("padding-free", model) == "padding-free"
        assert model.config._attn_implementation == BY_SEQUENCE
    if way == "checkpointed":
        model.train()
        model.gradient_checkpointing_enable()
    flat = _learn(model, [Collate()(rows)])
    for losses, gradients in (padded, flat):
        assert losses == pytest.approx(alone[0], abs=1e-5)
        assert gradients.keys() == alone[1].keys()
        for name, gradient in gradients.items():
            assert float((gradient - alone[1][name]).abs().max()) <= 1e-5, name


def _positions_go_on(batch: Batch) -> None:
    del batch["position_ids"]


def _a_mask_that_hides_nothing(batch: Batch) -> None:
    import torch

    batch["attention_mask"] = torch.ones_like(batch["input_ids"])


def _a_cache(batch: Batch) -> None:
    batch["use_cache"] = True


def _no_lengths(batch: Batch) -> None:
    del batch["sequence_lengths"]


BREAKS = [
    (False, _positions_go_on),
    (False, _a_mask_that_hides_nothing),
    (False, _a_cache),
    (True, _no_lengths),
]


@pytest.mark.parametrize(("own", "damage"), BREAKS)
def test_a_row_that_is_broken_on_purpose_is_found(
    model: Any, rows: list[Any], own: bool, damage: Callable[[Batch], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """By the test above, and by the probe that every run begins with."""
    from training.data.collate import Collate
    from training.model import attention

    if own:
        attention.choose_batching("padding-free", model)
    assert attention.leakage(model) < 1e-5
    whole, _ = _learn(model, [Collate()(rows)])
    batch = Collate()(rows)
    damage(batch)
    broken, _ = _learn(model, [batch])
    assert max(abs(a - b) for a, b in zip(whole, broken, strict=True)) > 1e-2

    class Damaged(Collate):
        def __call__(self, rows: Any) -> Batch:
            batch = super().__call__(rows)
            if self.pad is None:
                damage(batch)
            return batch

    real = attention._logits
    monkeypatch.setattr(attention, "Collate", Damaged)
    monkeypatch.setattr(
        attention,
        "_logits",
        lambda model, batch, device: real(_Cached(model, batch), batch, device),
    )
    assert attention.leakage(model) > 1e-2


class _Cached:
    """A model that is called with a cache where the batch asks for one."""

    def __init__(self, model: Any, batch: Batch) -> None:
        self._model = model
        self._cache = batch.pop("use_cache", False)

    def __call__(self, *, use_cache: bool, **batch: Any) -> Any:
        return self._model(use_cache=self._cache, **batch)


def test_rounding_in_bfloat16_is_no_leak_and_hides_none(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    from training.data.collate import Collate
    from training.model import attention

    class Leaking(Collate):
        def __call__(self, rows: Any) -> Batch:
            batch = super().__call__(rows)
            batch.pop("position_ids", None)
            return batch

    model = _adapted(_llama(attn_implementation="eager").to(torch.bfloat16))
    assert attention.choose_batching("padding-free", model) == "padding-free"
    monkeypatch.setattr(attention, "Collate", Leaking)
    with pytest.raises(ConfigurationError, match="eager attention"):
        attention.choose_batching("padding-free", model)


def test_a_model_that_leaks_is_refused_or_padded(capsys: pytest.CaptureFixture[str]) -> None:
    """Bloom knows no positions: its rows of several sequences are one sequence to it."""
    from transformers import BloomConfig, BloomForCausalLM

    from training.model.attention import choose_batching

    base = BloomForCausalLM(BloomConfig(vocab_size=96, hidden_size=32, n_layer=1, n_head=2))
    model = _adapted(base, targets=["query_key_value"])
    before = base.config._attn_implementation
    for wanted in ("padding-free", "packed"):
        with pytest.raises(ConfigurationError, match=r"BloomForCausalLM.*batching") as caught:
            choose_batching(wanted, model)
        assert caught.value.code == "attention_leaks"
    assert choose_batching("padded", model) == "padded"
    assert capsys.readouterr().err == ""
    assert choose_batching("auto", model) == "padded"
    assert "batches are padded" in capsys.readouterr().err
    assert base.config._attn_implementation == before


def test_other_attention_is_left_alone_when_it_keeps_sequences_apart() -> None:
    from training.model.attention import BY_SEQUENCE, choose_batching

    for settings in ({"attn_implementation": "eager"}, {}):
        model = _adapted(_llama(**settings) if settings else _windowed())
        assert choose_batching("auto", model) == "padding-free"
        assert model.config._attn_implementation != BY_SEQUENCE


def test_a_wish_for_packed_rows_is_granted(model: Any) -> None:
    from training.model.attention import choose_batching

    assert choose_batching("packed", model) == "packed"


def test_only_real_tokens_are_counted(rows: list[Any]) -> None:
    from training.data.collate import Collate, real_tokens

    flat, padded = Collate()(rows), Collate(0)(rows)
    assert real_tokens(flat) == real_tokens(padded) == sum(LENGTHS)
    assert padded["input_ids"].numel() == len(LENGTHS) * max(LENGTHS)
    assert flat["input_ids"].numel() == sum(LENGTHS)


def _learn(model: Any, batches: list[Batch]) -> tuple[list[float], dict[str, Any]]:
    """Mean loss of every sequence, and the gradients of their sum."""
    import torch

    model.zero_grad()
    losses = []
    for batch in batches:
        inputs = {k: v for k, v in batch.items() if k != "labels"}
        logits = model(**{"use_cache": False} | inputs).logits
        flat = len(batch["input_ids"]) == 1 and len(batches) == 1
        lengths = LENGTHS if flat else [logits.shape[1]]
        for row, labels in zip(logits, batch["labels"], strict=True):
            for out, label in zip(row.split(lengths), labels.split(lengths), strict=True):
                losses.append(torch.nn.functional.cross_entropy(out[:-1], label[1:]))
    torch.stack(losses).sum().backward()
    gradients = {name: weight.grad.clone() for name, weight in model.named_parameters()}
    return [float(loss) for loss in losses], gradients


def _adapted(base: Any, **lora: Any) -> Any:
    import torch

    from training.contract.config import Lora
    from training.model import adapter

    model = adapter.attach(base, Lora(kind="lora", **lora), seed=1).model
    chance = torch.Generator().manual_seed(2)
    for name, weight in model.named_parameters():
        weight.requires_grad_()
        if "lora_B" in name:
            weight.data.normal_(std=0.2, generator=chance)
    return model


def _llama(**settings: Any) -> Any:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(3)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=96,
            hidden_size=32,
            intermediate_size=48,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            initializer_range=0.2,
            **settings,
        )
    )


def _windowed() -> Any:
    from transformers import MistralConfig, MistralForCausalLM

    return MistralForCausalLM(
        MistralConfig(
            vocab_size=96,
            hidden_size=32,
            intermediate_size=48,
            num_hidden_layers=1,
            num_attention_heads=4,
            num_key_value_heads=2,
            sliding_window=4,
        )
    )


def test_a_model_that_takes_no_sequences_in_a_row_is_padded(
    model: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import torch

    from training.contract.errors import ConfigurationError
    from training.model import attention

    real = model.forward

    def refusing(*given: Any, position_ids: Any = None, **settings: Any) -> Any:
        if position_ids is not None:
            raise ValueError("cannot keep packed sequences apart\nat all")
        return real(*given, **settings)

    monkeypatch.setattr(model, "forward", refusing)
    assert attention.choose_batching("auto", model) == "padded"
    assert "cannot keep packed sequences apart)" in capsys.readouterr().err
    with pytest.raises(ConfigurationError, match="cannot keep packed"):
        attention.choose_batching("packed", model)

    def out_of_memory(**_: Any) -> Any:
        raise torch.OutOfMemoryError("none left")

    monkeypatch.setattr(model, "forward", out_of_memory)
    with pytest.raises(torch.OutOfMemoryError):
        attention.choose_batching("auto", model)
