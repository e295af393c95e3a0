"""Rows of several sequences: attention that computes each apart, and the proof that none leaks.

transformers tells sequences in one row apart by their positions, but hides them from each other
with a dense mask: every token is multiplied with every other one of the row, and torch's fast
kernels, which take no mask, stay unused. Here they get each sequence apart: on a GPU all of a row
in one call (`varlen`), else one after the other (measured: docs/benchmarks.md).
"""

import sys
from typing import Any

import torch
from peft import PeftModel
from transformers import AttentionInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from training.contract.errors import ConfigurationError, explain, first_line
from training.data.batches import Batching
from training.data.collate import Collate
from training.model import varlen
from training.model.shards import reshard
from training.model.varlen import VARLEN
from training.tokens.tokens import Tokens

BY_SEQUENCE = "sdpa_by_sequence"
_LENGTHS = (5, 9, 2, 7)
_NOISE = {torch.float32: 0.01, torch.bfloat16: 0.1}
"""How far logits may be apart by rounding, as a share of their size. Measured on random models of 2
and 16 layers: 2e-6 and 0.02; a leak: 0.7 and more. On a GPU, TF32 and 80 layers round more."""


def choose_batching(
    wanted: str, model: PreTrainedModel | PeftModel, passes: torch.dtype | None = None
) -> Batching:
    """Choose the batching for this model, and set up its attention. All ranks call this together.

    `passes`: in what the model will be called, by autocast where its weights are held otherwise, as
    those that learn are; None: in what they are held. Raises `ConfigurationError` when sequences in
    one row would see each other and padding was not allowed; `auto` pads then.
    """
    if wanted == "padded":
        return "padded"
    base = _base(model)
    passes = passes or base.dtype
    before = base.config._attn_implementation
    leak: float | str = ""
    for way in _ways(base, passes):
        base.set_attn_implementation(way)
        leak = _probe(model, passes)
        if isinstance(leak, float) and leak <= _NOISE[passes]:
            return "packed" if wanted == "packed" else "padding-free"
    base.set_attn_implementation(before)
    how = f"their logits change by {leak:.0%}" if isinstance(leak, float) else leak
    kind = type(base).__name__.removeprefix("FSDP")
    found = f"{kind} with {before} attention does not keep the sequences of a row apart ({how})"
    if wanted == "auto":
        print(f"{found}: batches are padded", file=sys.stderr)
        return "padded"
    raise ConfigurationError(
        "attention_leaks",
        f"{found}, so loop.batching cannot be {wanted}",
        "Set loop.batching to padded, or to auto.",
    )


def how(model: PreTrainedModel | PeftModel) -> str:
    """What computes attention: `varlen`, `sdpa_by_sequence`, or a name of transformers."""
    name: str = _base(model).config._attn_implementation
    return name


def collate(model: PreTrainedModel | PeftModel, pad: int | None = None) -> Collate:
    """Makes batches as this model's attention takes them; with a `pad` token a row for each."""
    return Collate(pad, "starts" if how(model) == VARLEN else "lengths")


def _base(model: PreTrainedModel | PeftModel) -> PreTrainedModel:
    return model.get_base_model() if isinstance(model, PeftModel) else model


def _ways(base: PreTrainedModel, passes: torch.dtype) -> tuple[str, ...]:
    """Implementations that may keep sequences apart, the fastest first."""
    before: str = base.config._attn_implementation
    if before != "sdpa":
        return (before,)
    # Without a mask of their own transformers makes none, and does not ask the device whether a row
    # has several sequences. Padding comes last, where nothing that counts looks at it.
    for name, attend in ((VARLEN, varlen.attend), (BY_SEQUENCE, attend_by_sequence)):
        AttentionInterface.register(name, attend)
    slower = BY_SEQUENCE if _attends_to_all(base) else before
    return (VARLEN, slower) if varlen.possible(base, passes) else (slower,)


def _probe(model: PreTrainedModel | PeftModel, passes: torch.dtype) -> float | str:
    """The leakage, or why the model does not take several sequences in a row at all.

    Layers with a state (Mamba, linear attention) raise where the kernels that could tell sequences
    apart are not installed. What is no answer of the model's (no memory, a lost rank) goes on.
    """
    try:
        return float(leakage(model, passes))
    except Exception as refused:
        if explain(refused).code != "crash":
            raise
        # FSDP2 gives back what a pass has gathered when one is complete.
        _pass(model, Collate(0), passes)
        return f"it raises {type(refused).__name__}: {first_line(refused)}"


def attend_by_sequence(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    sequence_lengths: tuple[int, ...] | None = None,
    **settings: Any,
) -> tuple[torch.Tensor, None]:
    """Causal attention within each sequence of a row; without lengths what sdpa does.

    Raises ValueError for what is more than that.
    """
    varlen.require_plain(settings)
    if sequence_lengths is None:
        whole: torch.Tensor
        whole, _ = sdpa_attention_forward(module, query, key, value, attention_mask, **settings)
        return whole, None
    sequences = zip(*(t.split(sequence_lengths, dim=2) for t in (query, key, value)), strict=True)
    parts = [sdpa_attention_forward(module, q, k, v, None, **settings)[0] for q, k, v in sequences]
    return torch.cat(parts, dim=1), None


def leakage(model: torch.nn.Module, passes: torch.dtype | None = None) -> float:
    """How far the logits of sequences in one row are from those of the same in rows of their own.

    As a share of their size; two small forward passes of the model as it is, adapter included.
    `passes`: as in `choose_batching`.
    """
    passes = passes or _base(model).dtype
    flat, padded = _pass(model, collate(model), passes), _pass(model, Collate(0), passes)
    own = torch.cat([row[:length] for row, length in zip(padded, _LENGTHS, strict=True)])
    return float((flat[0] - own).norm() / own.norm())


@torch.no_grad()  # type: ignore[untyped-decorator]
def _pass(model: torch.nn.Module, collate: Collate, passes: torch.dtype) -> torch.Tensor:
    """Logits of a few short sequences in a batch of this kind; bfloat16 is autocast's."""
    device = next(model.parameters()).device
    embeddings = model.get_input_embeddings()
    ids = [[(7 * i + 3 * n) % embeddings.num_embeddings for i in range(n)] for n in _LENGTHS]
    batch = collate([Tokens(row, row) for row in ids])
    training = model.training
    model.eval()
    half = passes == torch.bfloat16
    try:
        with torch.autocast(device.type, torch.bfloat16, enabled=half):
            logits = _logits(model, batch, device)
    finally:
        model.train(training)
    reshard(model)  # an optimizer made now would take what FSDP2 has gathered for the weights
    return logits


def _logits(model: torch.nn.Module, batch: dict[str, Any], device: torch.device) -> torch.Tensor:
    del batch["labels"]
    batch = {k: v.to(device) if torch.is_tensor(v) else v for k, v in batch.items()}
    logits: torch.Tensor = model(**batch, use_cache=False).logits.float()
    return logits


def _attends_to_all(model: PreTrainedModel) -> bool:
    """False for windowed or chunked attention: its mask is not made here."""
    config = model.config.get_text_config()
    return not any(
        getattr(config, name, None) for name in ("sliding_window", "attention_chunk_size")
    )
