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
    monkeypatch.setattr(varlen, "possible", lambda model, passes: True)
    return recorded


def _stand_in(recorded: Recorded) -> Callable[..., Any]:
    def varlen_attn(
        q: Any, k: Any, v: Any, starts_q: Any, starts_k: Any, most_q: int, most_k: int,
        **settings: Any,
    ) -> Any:  # fmt: skip
        import torch
        from torch.nn.functional import scaled_dot_product_attention as attend

        given = {"q": q.shape, "k": k.shape, "v": v.shape, "dtype": q.dtype} | settings
        given["window"] = window = settings.pop("window_size", (-1, 0))
        recorded.append(given | {"starts": starts_q, "most": most_q})
        assert starts_q is starts_k
        assert most_q == most_k
        assert settings.pop("is_causal", True)
        parts = []
        for a, b in pairwise(starts_q.tolist()):
            seen = torch.ones(b - a, b - a, dtype=torch.bool).tril()
            seen = seen.triu(-window[0]) if window[0] >= 0 else seen
            parts.append(
                attend(*(t[a:b].transpose(0, 1)[None] for t in (q, k, v)), seen, **settings)[0]
            )
        return torch.cat([part.transpose(0, 1) for part in parts])

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
        assert call["window"] == (-1, 0)
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
    ("settings", "fits"),
    [
        ({"head_dim": 64}, True),
        ({"head_dim": 128}, True),
        ({"head_dim": 256}, True),
        ({"head_dim": 100}, False),
        ({"head_dim": 320}, False),
        ({"attention_dropout": 0.1}, False),
        ({"attn_pdrop": 0.1}, False),
        ({"attention_chunk_size": 64}, False),
    ],
)
def test_models_that_flash_attention_takes(settings: dict[str, Any], fits: bool) -> None:
    from training.model.varlen import _fits

    assert _fits(_llama(**settings).config) is fits


def test_weights_that_learn_are_float32_and_their_passes_are_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What flash attention takes is what autocast makes, not what is held."""
    import torch

    from training.model import varlen

    model = _llama()
    assert model.dtype == torch.float32
    where = type("Weight", (), {"device": torch.device("cuda")})
    monkeypatch.setattr(model, "parameters", lambda: iter([where]))
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (12, 1))
    assert varlen.possible(model, torch.bfloat16)
    assert not varlen.possible(model, torch.float32)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (7, 5))
    assert not varlen.possible(model, torch.bfloat16)
    monkeypatch.setattr(varlen, "varlen_attn", None)
    assert not varlen.possible(model, torch.bfloat16)


def test_passes_in_half_are_probed_so(calls: Recorded) -> None:
    """Weights in float32, as those that all learn, and autocast around every pass."""
    import torch

    from training.model import attention

    model = _llama()
    assert attention.choose_batching("padding-free", model, torch.bfloat16) == "padding-free"
    assert {call["dtype"] for call in calls} == {torch.bfloat16}


@pytest.mark.parametrize("name", ["softcap", "s_aux", "position_bias"])
def test_what_a_model_wants_besides_is_refused_and_not_left_out(name: str) -> None:
    import torch

    from training.model import attention, varlen

    given = torch.nn.Module(), *torch.randn(3, 1, 4, 6, 8), None
    for attend in (varlen.attend, attention.attend_by_sequence):
        with pytest.raises(ValueError, match=name):
            attend(*given, **{name: 1.0})


@pytest.mark.parametrize(("causal", "dropout"), [(False, 0.0), (True, 0.1)])
def test_attention_that_is_not_causal_or_drops_is_refused(
    calls: Recorded, causal: bool, dropout: float
) -> None:
    import torch

    from training.model import varlen

    module, starts = torch.nn.Module(), torch.tensor([0, 6], dtype=torch.int32)
    module.is_causal = causal  # type: ignore[assignment]
    with pytest.raises(ValueError, match="causal"):
        varlen.attend(module, *torch.randn(3, 1, 4, 6, 8), None, starts, 6, dropout=dropout)
    assert not calls


@pytest.mark.parametrize("window", [None, 4])
@pytest.mark.parametrize("compiled", [False, True])
def test_torch_s_own_call_takes_what_it_is_given(window: int | None, compiled: bool) -> None:
    """No stand-in: torch's call and its backward, which compute shapes here, and no numbers.
    Compiled it is part of one graph, whatever the number of tokens."""
    import torch
    from torch._subclasses.fake_tensor import FakeTensorMode

    from training.model import varlen

    attend: Any = varlen.attend
    if compiled:
        attend = torch.compile(attend, backend="aot_eager", fullgraph=True, dynamic=True)
    with FakeTensorMode():
        for tokens in (71, 40):
            q, k, v = (
                torch.randn(1, heads, tokens, 64, dtype=torch.bfloat16, requires_grad=True)
                for heads in (8, 2, 2)
            )
            starts = torch.zeros(6, dtype=torch.int32)
            out, _ = attend(
                torch.nn.Module(), q, k, v, None, starts, 64, scaling=0.3, sliding_window=window
            )
            assert out.shape == (1, tokens, 8, 64)
            gradients = torch.autograd.grad(out.float().sum(), (q, k, v))
            assert [g.shape for g in gradients] == [q.shape, k.shape, v.shape]


def test_selective_recomputing_keeps_what_the_one_call_gives() -> None:
    import torch
    from torch.utils.checkpoint import CheckpointPolicy

    from training.model.checkpointing import _policy

    call = torch.ops.torch_attn._varlen_attn.default  # known since varlen has been imported
    assert _policy(None, call) is CheckpointPolicy.MUST_SAVE
