"""Layers that see a window only: one call of attention learns what transformers' own mask does."""

from typing import Any

import pytest

from tests.training.model.test_attention import LENGTHS, _adapted, _learn, rows
from tests.training.model.test_varlen import Recorded, _stand_in

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]
__all__ = ["rows"]

FAMILIES = ("gemma3_text", "mistral", "mixtral", "olmo3", "phi3", "qwen2", "qwen3")
WINDOW = 4
LAYERS = ["sliding_attention", "full_attention"]
ALWAYS = ("mistral", "mixtral", "phi3")
"""Families of which every layer has the window."""


def test_every_family_is_tried() -> None:
    from training.model import varlen

    assert varlen._WINDOWED == FAMILIES


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Recorded:
    """What torch 2.13's call would be given, where a GPU would be."""
    from training.model import varlen

    recorded: Recorded = []
    monkeypatch.setattr(varlen, "_KNOWN", {"window_size": 0, "scale": 0, "enable_gqa": 0})
    monkeypatch.setattr(varlen, "_CAUSAL", {"window_size": (-1, 0)})
    monkeypatch.setattr(varlen, "varlen_attn", _stand_in(recorded))
    monkeypatch.setattr(varlen, "possible", lambda model, passes: varlen._fits(model.config))
    return recorded


def _windowed(kind: str, window: int = WINDOW, **more: Any) -> Any:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    settings: dict[str, Any] = {
        "vocab_size": 96, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8, "pad_token_id": 0,
        "initializer_range": 0.2, "sliding_window": window, "attention_dropout": 0.0,
    }  # fmt: skip
    if kind == "mixtral":
        settings |= {"num_local_experts": 2, "output_router_logits": False}
    if kind not in ALWAYS:
        settings |= {"layer_types": LAYERS}
    if kind.startswith("qwen"):
        settings |= {"use_sliding_window": True}
    torch.manual_seed(3)
    config = AutoConfig.for_model(kind, **settings | more)
    return AutoModelForCausalLM.from_config(config, attn_implementation="sdpa")


def _named(kind: str) -> dict[str, Any]:
    """phi3 has other names of layers than the usual targets."""
    return {"targets": ["qkv_proj", "o_proj"]} if kind == "phi3" else {}


@pytest.mark.parametrize("kind", FAMILIES)
def test_each_family_learns_what_its_own_mask_lets_it(
    kind: str, calls: Recorded, rows: list[Any]
) -> None:
    from training.data.collate import Collate
    from training.model import attention

    model = _adapted(_windowed(kind), **_named(kind))
    alone = _learn(model, [Collate(0)([row]) for row in rows])
    assert attention.choose_batching("padding-free", model) == "padding-free"
    assert attention.how(model) == "varlen"
    calls.clear()
    losses, gradients = _learn(model, [attention.collate(model)(rows)])
    assert losses == pytest.approx(alone[0], abs=1e-5)
    for name, gradient in gradients.items():
        assert float((gradient - alone[1][name]).abs().max()) <= 2e-5, name
    windows = [call["window"] for call in calls]
    seen = (WINDOW - 1, 0)
    assert windows == [seen, seen if kind in ALWAYS else (-1, 0)]


def test_a_window_is_seen_by_the_losses(calls: Recorded, rows: list[Any]) -> None:
    """Or the test above would compare nothing."""
    from training.model import attention

    found = []
    for window in (WINDOW, 2 * max(LENGTHS)):
        model = _adapted(_windowed("mistral", window))
        attention.choose_batching("padding-free", model)
        found.append(_learn(model, [attention.collate(model)(rows)])[0])
    assert max(abs(a - b) for a, b in zip(*found, strict=True)) > 1e-2


@pytest.mark.parametrize(
    ("kind", "known", "more"),
    [
        ("mistral", {"is_causal": 0}, {}),  # torch 2.11 has no windows
        ("cohere2", {"window_size": 0}, {}),  # nobody has compared it
        ("mistral", {"window_size": 0}, {"attention_dropout": 0.1}),
    ],
)
def test_what_one_call_cannot_do_stays_as_it_was(
    kind: str, known: dict[str, int], more: Any, calls: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    from training.model import attention, varlen

    monkeypatch.setattr(varlen, "_KNOWN", known)
    model = _adapted(_windowed(kind, **more))
    assert attention.choose_batching("padding-free", model) == "padding-free"
    assert attention.how(model) == "sdpa"
    assert not calls
