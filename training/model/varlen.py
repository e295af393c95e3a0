"""Attention over a row of several sequences in one call: torch's varlen_attn, on a GPU.

One call for each sequence would make a GPU start thousands of small kernels, and on some cards
choose a plan for every length that it has not seen (measured: docs/benchmarks.md).
"""

from inspect import signature
from typing import Any

import torch
from torch.nn.attention.varlen import varlen_attn
from transformers import PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward

VARLEN = "varlen"
_KNOWN = signature(varlen_attn).parameters
_CAUSAL: dict[str, Any] = (
    {"window_size": (-1, 0)} if "window_size" in _KNOWN else {"is_causal": True}
)
_WIDEST = 256
"""Numbers of a head that flash attention can take, in eights."""


def possible(model: PreTrainedModel) -> bool:
    """Whether its kernels take this model where it is: on a GPU since Ampere, in 16 bits."""
    weight = next(model.parameters())
    if weight.device.type != "cuda" or torch.cuda.get_device_capability(weight.device) < (8, 0):
        return False
    config = model.config.get_text_config()
    head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    plain = not getattr(config, "attention_dropout", 0.0)
    return plain and model.dtype in (torch.bfloat16, torch.float16) and _fits(head)


def _fits(head: int) -> bool:
    return head % 8 == 0 and head <= _WIDEST


def attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    cu_seq_lens_q: torch.Tensor | None = None,
    max_length_q: int | None = None,
    scaling: float | None = None,
    **settings: Any,
) -> tuple[torch.Tensor, None]:
    """Causal attention within each sequence of a row; without their starts what sdpa does.

    Takes (1, heads, tokens, head), gives (1, tokens, heads, head). `cu_seq_lens_q`: where each
    begins, int32, on the same device, the number of tokens last; `max_length_q`: no less than the
    longest.
    """
    if cu_seq_lens_q is None or max_length_q is None:
        whole: torch.Tensor
        whole, _ = sdpa_attention_forward(
            module, query, key, value, attention_mask, scaling=scaling, **settings
        )
        return whole, None
    kind = query.device.type
    # As autocast does for sdpa, which it knows; norms that learn leave their float32 in q and k.
    dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else query.dtype
    groups, how = query.shape[1] // key.shape[1], dict(_CAUSAL)
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
