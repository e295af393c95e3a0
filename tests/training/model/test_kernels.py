"""Layers computed otherwise learn the same; what cannot be had here is refused by name."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.training.model.test_attention import _adapted, _learn, _llama, rows
from training.contract.errors import ConfigurationError

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]
__all__ = ["rows"]


@pytest.mark.patient
@pytest.mark.skipif(not shutil.which("g++"), reason="compiling for a CPU needs a C++ compiler")
@pytest.mark.parametrize("again", [False, True, "selective"])
def test_compiled_layers_learn_the_same(
    rows: list[Any], again: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    from training.model import attention, kernels
    from training.model.checkpointing import recompute

    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    model = _adapted(_llama())
    attention.choose_batching("padding-free", model)
    model.train()
    plain = _learn(model, [attention.collate(model)(rows)])
    recompute(model, again)
    kernels.use(model, "compiled", tmp_path)
    torch._dynamo.reset()
    compiled = _learn(model, [attention.collate(model)(rows)])
    assert compiled[0] == pytest.approx(plain[0], abs=1e-5)
    for name, gradient in compiled[1].items():
        assert float((gradient - plain[1][name]).abs().max()) <= 1e-5, name
    assert not sum(torch._dynamo.utils.counters["graph_break"].values())
    assert any(tmp_path.rglob("*.so")), "or nothing was compiled"


@pytest.mark.parametrize("kernels", ["liger"])
def test_kernels_of_a_gpu_are_refused_without_one(kernels: Any, tmp_path: Path) -> None:
    from training.model import kernels as module

    with pytest.raises(ConfigurationError, match=r"loop\.kernels liger") as told:
        module.use(_llama(), kernels, tmp_path)
    assert told.value.code == "kernels_unfit"
    assert "plain" in told.value.remedy


def test_a_model_without_known_layers_is_not_compiled(tmp_path: Path) -> None:
    from transformers import BloomConfig, BloomForCausalLM

    from training.model import kernels

    class Layerless(BloomForCausalLM):
        def modules(self) -> Any:
            yield self

    model = Layerless(BloomConfig(vocab_size=96, hidden_size=32, n_layer=1, n_head=2))
    with pytest.raises(ConfigurationError, match="no layers that are known"):
        kernels.use(model, "compiled", tmp_path)


@pytest.mark.parametrize("again", [True, "selective"])
def test_computed_again_the_gradients_are_the_same_bits(rows: list[Any], again: Any) -> None:
    from training.model import attention
    from training.model.checkpointing import recompute

    model = _adapted(_llama())
    attention.choose_batching("padding-free", model)
    model.train()
    kept = _learn(model, [attention.collate(model)(rows)])
    recompute(model, again)
    anew = _learn(model, [attention.collate(model)(rows)])
    assert anew[0] == kept[0]
    assert all(bool((anew[1][name] == kept[1][name]).all()) for name in kept[1])


def test_what_is_dear_is_computed_once(rows: list[Any]) -> None:
    """Selective: products of many terms and attention are not computed again; an adapter's are."""
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode

    from training.model import attention, checkpointing

    class Counts(TorchDispatchMode):
        def __init__(self) -> None:
            super().__init__()
            self.seen: list[str] = []

        def __torch_dispatch__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            self.seen.append(func.name().partition("::")[2].partition(".")[0])
            return func(*args, **(kwargs or {}))

    def counted(again: Any) -> dict[str, int]:
        model = _adapted(_llama())
        attention.choose_batching("padding-free", model)
        model.train()
        checkpointing.recompute(model, again)
        with Counts() as counts:
            _learn(model, [attention.collate(model)(rows)])
        return {name: counts.seen.count(name) for name in ("mm", "silu")}

    checkpointing._DEAR, usual = 16, checkpointing._DEAR
    try:
        kept, again, selective = (counted(how) for how in (False, True, "selective"))
    finally:
        checkpointing._DEAR = usual
    layers, products = 2, 7  # of a layer; each has two more in its adapter, one of few terms
    # The last of a layer comes out of it, and nobody needs it again.
    assert again["mm"] - kept["mm"] == layers * (products * 3 - 1)
    assert selective["mm"] - kept["mm"] == layers * (products - 1)
    assert selective["silu"] == again["silu"] == kept["silu"] + layers
    assert torch.is_grad_enabled()
