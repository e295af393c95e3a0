"""Layers computed otherwise learn the same; what cannot be had here is refused by name."""

import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.training.model.test_attention import _adapted, _learn, _llama, rows
from training.contract.errors import ConfigurationError

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]
__all__ = ["rows"]


@pytest.mark.patient
@pytest.mark.skipif(not shutil.which("g++"), reason="compiling for a CPU needs a C++ compiler")
@pytest.mark.sample(1)
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


@pytest.fixture
def packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if Liger and flash-linear-attention were installed; they compute nothing here."""
    from types import SimpleNamespace

    from training.model import kernels

    stand_in = SimpleNamespace(MODEL_TYPE_TO_APPLY_LIGER_FN={"llama": None})
    monkeypatch.setattr(kernels, "import_module", lambda name: stand_in)


@pytest.mark.parametrize("kernels", ["liger", "fla"])
def test_kernels_of_a_gpu_are_refused_without_one(
    kernels: Any, tmp_path: Path, packages: None
) -> None:
    from training.model import kernels as module

    with pytest.raises(ConfigurationError, match=rf"loop\.kernels {kernels}.*need a GPU") as told:
        module.use(_llama(linear_key_head_dim=8), kernels, tmp_path)
    assert told.value.code == "kernels_unfit"
    assert "plain" in told.value.remedy


@pytest.mark.parametrize("kernels", ["liger", "fla"])
def test_kernels_that_are_not_installed_are_refused(
    kernels: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from training.model import kernels as module

    for package in ("liger_kernel", "fla"):
        monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ConfigurationError, match=rf"{kernels}: ModuleNotFoundError") as told:
        module.use(_llama(linear_key_head_dim=8), kernels, tmp_path)
    assert told.value.code == "kernels_unfit"


@pytest.mark.parametrize("kernels", ["liger", "fla"])
def test_a_family_that_they_have_none_for_is_refused(
    kernels: Any, tmp_path: Path, packages: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from training.model import kernels as module

    monkeypatch.setattr(module, "_on_gpu", lambda base: True)
    model = _llama()
    model.config.model_type = "unheard_of"
    with pytest.raises(ConfigurationError, match=r"has no(ne for unheard_of| gated delta nets)"):
        module.use(model, kernels, tmp_path)


@pytest.mark.patient
@pytest.mark.sample(1)
@pytest.mark.parametrize("again", [False, True])
def test_layers_are_compiled_once_for_all_lengths(
    again: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One graph to evaluate and one to train, whatever the batch and however many layers; one more
    where layers are computed again, whose first is entered otherwise.

    Attention is a stand-in that torch sees as one operation, as its own is."""
    import torch

    from training.data.collate import Collate
    from training.model import attention, kernels, varlen
    from training.model.checkpointing import recompute
    from training.tokens.tokens import Tokens

    monkeypatch.setattr(varlen, "possible", lambda model, passes: True)
    monkeypatch.setattr(varlen, "varlen_attn", _one_operation())
    plain = torch.nn.Module.compile
    monkeypatch.setattr(  # what counts is how often, not with what
        torch.nn.Module, "compile", lambda self, **how: plain(self, backend="aot_eager", **how)
    )
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    base = _llama()
    assert attention._ways(base, torch.bfloat16)[0] == attention.VARLEN
    base.set_attn_implementation(attention.VARLEN)  # the stand-in would not pass the probe
    model = _adapted(base)
    recompute(model, again)
    kernels.use(model, "compiled", tmp_path)
    collate: Collate = attention.collate(model)
    seen = []
    for lengths in ((3, 17, 2), (5, 7, 2, 50), (33,), (200, 40)):
        batch = collate([Tokens(ids, ids) for ids in (list(range(n % 90)) for n in lengths)])
        del batch["labels"]
        with torch.no_grad():
            model.eval()(**batch, use_cache=False)
        model.train()(**batch, use_cache=False).logits.sum().backward()
        seen.append(torch._dynamo.utils.counters["stats"]["unique_graphs"])
    assert seen == [3 if again else 2] * 4
    assert not sum(torch._dynamo.utils.counters["graph_break"].values())


def _one_operation() -> Any:
    """What torch's varlen_attn is to a compiler: an operation, with another for its gradients.
    It sees all of a row; that is not what is looked at."""
    import torch

    @torch.library.custom_op("sparkctl_tests::one_call", mutates_args=())
    def one_call(
        q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, starts: torch.Tensor, most: int
    ) -> torch.Tensor:
        return q + (k + v).mean()

    @torch.library.custom_op("sparkctl_tests::one_call_backward", mutates_args=())
    def backward(
        g: torch.Tensor, k: torch.Tensor, v: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        return g.clone(), torch.ones_like(k), torch.ones_like(v)

    one_call.register_fake(lambda q, k, v, starts, most: torch.empty_like(q))
    backward.register_fake(
        lambda g, k, v: (torch.empty_like(g), torch.empty_like(k), torch.empty_like(v))
    )
    one_call.register_autograd(
        lambda ctx, g: (*backward(g, *ctx.saved_tensors), None, None),
        setup_context=lambda ctx, inputs, output: ctx.save_for_backward(*inputs[1:3]),
    )

    def varlen_attn(
        q: Any, k: Any, v: Any, starts: Any, same: Any, most: int, as_many: int, **settings: Any
    ) -> Any:
        return one_call(q, k, v, starts, most)

    return varlen_attn


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
