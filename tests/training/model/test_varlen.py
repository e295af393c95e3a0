"""All sequences of a row in one call of attention a layer. A stand-in for torch's CUDA kernel
records what it was given, and computes one sequence after the other."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from tests.training.model.test_attention import LENGTHS, _adapted, _learn, _llama, rows

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]

__all__ = ["rows"]
LAYERS = 2
Recorded = list[dict[str, Any]]


@pytest.fixture(params=["enable_gqa", "repeated"])
def calls(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Recorded:
    """What the stand-in was given, with the names that torch 2.13 knows, and with those of 2.11."""
    from training.model import varlen

    recorded: Recorded = []
    if request.param == "enable_gqa":
        monkeypatch.setattr(varlen, "_KNOWN", {"window_size": 0, "scale": 0, "enable_gqa": 0})
        monkeypatch.setattr(varlen, "_CAUSAL", {"window_size": (-1, 0)})
    else:
        monkeypatch.setattr(varlen, "_KNOWN", {"is_causal": 0})
        monkeypatch.setattr(varlen, "_CAUSAL", {"is_causal": True})
    monkeypatch.setattr(varlen, "varlen_attn", _stand_in(recorded))
    monkeypatch.setattr(varlen, "possible", lambda model: True)
    return recorded


def _stand_in(recorded: Recorded) -> Callable[..., Any]:
    def varlen_attn(
        q: Any, k: Any, v: Any, starts_q: Any, starts_k: Any, most_q: int, most_k: int,
        **settings: Any,
    ) -> Any:  # fmt: skip
        import torch
        from torch.nn.functional import scaled_dot_product_attention as attend

        given = {"q": q.shape, "k": k.shape, "v": v.shape, "dtype": q.dtype} | settings
        recorded.append(given | {"starts": starts_q, "most": most_q})
        assert starts_q is starts_k
        assert most_q == most_k
        settings.pop("window_size", None)
        settings.setdefault("is_causal", True)
        edges = starts_q.tolist()
        parts = [
            attend(*(t[a:b].transpose(0, 1) for t in (q, k, v)), **settings).transpose(0, 1)
            for a, b in pairwise(edges)
        ]
        return torch.cat(parts)

    return varlen_attn


def test_one_call_a_layer_learns_what_sequences_by_themselves_do(
    calls: Recorded, rows: list[Any]
) -> None:
    import torch

    from training.data.collate import Collate
    from training.model import attention

    model = _adapted(_llama())
    alone = _learn(model, [Collate(0)([row]) for row in rows])
    assert attention.choose_batching("padding-free", model) == "padding-free"
    assert attention.how(model) == "varlen"
    calls.clear()
    losses, gradients = _learn(model, [attention.collate(model)(rows)])
    assert losses == pytest.approx(alone[0], abs=1e-5)
    for name, gradient in gradients.items():
        assert float((gradient - alone[1][name]).abs().max()) <= 1e-5, name

    assert len(calls) == LAYERS
    grouped = "enable_gqa" in calls[0]
    for call in calls:
        tokens, heads, kept = sum(LENGTHS), 4, 2 if grouped else 4
        assert call["q"] == (tokens, heads, 8)
        assert call["k"] == call["v"] == (tokens, kept, 8)
        assert call["starts"].dtype == torch.int32
        assert call["starts"].tolist() == [0, 3, 20, 22, 62, 71]
        assert call["most"] >= max(LENGTHS)
        assert call.get("window_size", (-1, 0)) == (-1, 0)
        assert call.get("is_causal", True)
        assert call.get("scale", 8**-0.5) == pytest.approx(8**-0.5)


def test_computed_again_it_is_two_calls_a_layer(calls: Recorded, rows: list[Any]) -> None:
    from training.model import attention

    model = _adapted(_llama())
    attention.choose_batching("padding-free", model)
    model.train()
    model.gradient_checkpointing_enable()
    calls.clear()
    _learn(model, [attention.collate(model)(rows)])
    assert len(calls) == 2 * LAYERS


def test_under_autocast_it_is_given_what_its_kernels_take(calls: Recorded, rows: list[Any]) -> None:
    import torch

    from training.model import attention

    model = _adapted(_llama())
    attention.choose_batching("padding-free", model)
    calls.clear()
    with torch.autocast("cpu", torch.bfloat16):
        _learn(model, [attention.collate(model)(rows)])
    assert {call["dtype"] for call in calls} == {torch.bfloat16}


def test_an_unusual_scale_is_kept(calls: Recorded) -> None:
    import torch

    from training.model import varlen

    q, k, v = torch.randn(3, 1, 4, 6, 8)
    starts = torch.tensor([0, 6], dtype=torch.int32)
    module = torch.nn.Module()
    got, _ = varlen.attend(module, q, k, v, None, starts, 6, scaling=0.7)
    wanted = torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True, scale=0.7)
    assert torch.allclose(got, wanted.transpose(1, 2), atol=1e-5)
    assert calls


def test_a_cpu_takes_one_sequence_after_the_other(rows: list[Any]) -> None:
    from training.model import attention

    model = _adapted(_llama())
    attention.choose_batching("padding-free", model)
    assert attention.how(model) == attention.BY_SEQUENCE
    assert "sequence_lengths" in attention.collate(model)(rows)


@pytest.mark.parametrize(
    ("head", "fits"), [(64, True), (128, True), (256, True), (100, False), (320, False)]
)
def test_heads_that_flash_attention_takes(head: int, fits: bool) -> None:
    from training.model.varlen import _fits

    assert _fits(head) is fits
