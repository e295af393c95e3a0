"""Attention over a row of several sequences in one call: torch's varlen_attn, on a GPU.

One call for each sequence would make a GPU start thousands of small kernels, and on some cards
choose a plan for every length that it has not seen (measured: docs/benchmarks.md).
"""

from inspect import signature
from typing import Any

import torch
from transformers import PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward

try:
    from torch.nn.attention.varlen import varlen_attn
except ImportError:  # before torch 2.10
    varlen_attn = None

VARLEN = "varlen"
_KNOWN = signature(varlen_attn).parameters if varlen_attn else {}
_CAUSAL: dict[str, Any] = (
    {"window_size": (-1, 0)} if "window_size" in _KNOWN else {"is_causal": True}
)
_WIDEST = 256
"""Numbers of a head that flash attention can take, in eights."""
_WINDOWED = ("gemma3_text", "mistral", "mixtral", "olmo3", "phi3", "qwen2", "qwen3")
"""Families that tell attention the window of a layer where, and only where, its mask would have
one. tests/training/model/test_windows.py compares each with its own mask."""
_DROPOUTS = ("attention_dropout", "attn_pdrop", "attn_dropout", "attention_probs_dropout_prob")
_UNKNOWN = ("softcap", "s_aux", "position_bias")
"""What other attention does besides; here it would be left out, and nobody told."""


def possible(model: PreTrainedModel, passes: torch.dtype) -> bool:
    """Whether its kernels take this model where it is: on a GPU since Ampere, in 16 bits.

    `passes`: in what the model computes; its weights may be held in another format.
    """
    device = next(model.parameters()).device
    if varlen_attn is None or device.type != "cuda":
        return False
    new_enough = torch.cuda.get_device_capability(device) >= (8, 0)
    return new_enough and passes in (torch.bfloat16, torch.float16) and _fits(model.config)


def _fits(config: Any) -> bool:
    """Whether there is nothing in this model's attention that one call cannot do."""
    text = config.get_text_config()
    head = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    if head % 8 or head > _WIDEST or any(getattr(text, name, None) for name in _DROPOUTS):
        return False
    if getattr(text, "attention_chunk_size", None):
        return False
    if not getattr(text, "sliding_window", None):
        return True
    return "window_size" in _KNOWN and text.model_type in _WINDOWED


def attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    cu_seq_lens_q: torch.Tensor | None = None,
    max_length_q: int | None = None,
    scaling: float | None = None,
    sliding_window: int | None = None,
    **settings: Any,
) -> tuple[torch.Tensor, None]:
    """Causal attention within each sequence of a row; without their starts what sdpa does.

    Takes (1, heads, tokens, head), gives (1, tokens, heads, head). `cu_seq_lens_q`: where each
    begins, int32, on the same device, the number of tokens last; `max_length_q`: no less than the
    longest. `sliding_window`: how many tokens a token sees, itself among them. Raises ValueError
    for what is more than that.
    """
    require_plain(settings)
    if cu_seq_lens_q is None or max_length_q is None:
        if sliding_window is not None and attention_mask is None:
            attention_mask = _band(query.shape[2], sliding_window, query.device)
        whole: torch.Tensor
        whole, _ = sdpa_attention_forward(
            module, query, key, value, attention_mask, scaling=scaling, **settings
        )
        return whole, None
    if settings.get("dropout") or not getattr(module, "is_causal", True):
        raise ValueError("one call of attention for all sequences is causal, and drops nothing")
    kind = query.device.type
    # As autocast does for sdpa, which it knows; norms that learn leave their float32 in q and k.
    dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else query.dtype
    groups, how = query.shape[1] // key.shape[1], dict(_CAUSAL)
    if sliding_window is not None:
        how["window_size"] = (sliding_window - 1, 0)  # it counts those before a token
    if "scale" in _KNOWN:
        how["scale"] = scaling
    elif scaling is not None and (ratio := scaling * query.shape[-1] ** 0.5) != 1:
        query = query * ratio
    q, k, v = (t[0].transpose(0, 1).to(dtype) for t in (query, key, value))
    if groups > 1 and "enable_gqa" in _KNOWN:
        how["enable_gqa"] = True
    elif groups > 1:
        k, v = (t.repeat_interleave(groups, dim=1) for t in (k, v))
    out = varlen_attn(q, k, v, cu_seq_lens_q, cu_seq_lens_q, max_length_q, max_length_q, **how)
    return out.unsqueeze(0), None


def require_plain(settings: dict[str, Any]) -> None:
    """Raises ValueError for what a model wants of attention and torch's kernels do not do."""
    if unknown := [name for name in _UNKNOWN if settings.get(name) is not None]:
        raise ValueError(f"torch's attention knows no {' and no '.join(unknown)}")


def _band(tokens: int, window: int, device: torch.device) -> torch.Tensor:
    """Who sees whom in one sequence: (tokens, tokens), True where."""
    return torch.ones(tokens, tokens, dtype=torch.bool, device=device).tril().triu(1 - window)
