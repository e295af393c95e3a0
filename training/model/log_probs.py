"""Log-probabilities of the tokens that the loss counts, without logits: trl's kernel for it.

trl's own way to it (`trl.trainer.utils.add_fused_lm_head`; a test compares) looks on a GPU for the
tokens that count, and so waits for it in the middle of every pass. Here the batch names them.
"""

import functools
from types import MethodType
from typing import Any, NamedTuple

import torch
from torch.distributed.tensor import DTensor
from transformers import PreTrainedModel

_TILE = 32768
"""Words of the vocabulary that are computed at once, as in trl."""


class Scores(NamedTuple):
    """Of one pass."""

    log_probs: torch.Tensor
    """Of each target, in float32: (n,)."""
    balance: torch.Tensor | None
    """Loss of the router for experts that are used unequally, already weighted: a scalar."""


def score_targets(model: PreTrainedModel) -> None:
    """Let `model(**inputs, positions=…, targets=…)` give `Scores` in place of logits.

    `positions` (n,): where in the flattened batch the tokens before the `targets` (n,) are. With
    `balance` the router's loss comes too, where the model has one. Without targets the model does
    what it did. peft and FSDP2 may be around it, or come later: they call its forward.
    """
    from trl.kernels import ChunkedLogProbFunction  # and triton, where a GPU is

    plain, text = model.forward, model.config.get_text_config()
    softcap, scale = getattr(text, "final_logit_softcapping", None), _scale(text)
    routes = hasattr(text, "output_router_logits")
    weight_of_balance = getattr(text, "router_aux_loss_coef", 0.0)
    if routes:
        text.output_router_logits = False  # asked for where it is wanted

    @functools.wraps(type(model).forward)
    def forward(
        self: Any,
        *args: Any,
        positions: torch.Tensor | None = None,
        targets: torch.Tensor | None = None,
        balance: bool = False,
        **inputs: Any,
    ) -> Any:
        if positions is None:
            return plain(*args, **inputs)
        inputs = {name: value for name, value in inputs.items() if value is not None}
        wanted = balance and routes and weight_of_balance != 0.0
        if wanted:
            inputs["output_router_logits"] = True
        out = self.base_model(*args, **inputs | {"use_cache": False})
        hidden = out.last_hidden_state.flatten(0, 1).index_select(0, positions)
        head = self.get_output_embeddings()
        # Looked up now: peft and FSDP2 replace them. FSDP2 has gathered them with the last norm,
        # but for tied ends.
        weight, bias = _whole(head.weight), _whole(head.bias)
        log_probs, *_ = ChunkedLogProbFunction.apply(
            hidden, weight, bias, targets, 1.0, _TILE, softcap, scale, ()
        )
        if not wanted:
            return Scores(log_probs, None)
        mask = inputs.get("attention_mask")
        return Scores(log_probs, weight_of_balance * _balance(out.router_logits, text, mask))

    model.forward = MethodType(forward, model)


def _whole(tensor: torch.Tensor | None) -> torch.Tensor | None:
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def _scale(text: Any) -> float:
    """What the logits are multiplied by: every family has a name of its own for it."""
    for name in ("logit_scale", "output_multiplier", "lm_head_multiplier"):
        if (factor := getattr(text, name, None)) is not None:
            return float(factor)
    divisor = getattr(text, "logits_scaling", None)
    if divisor is None:
        return 1.0
    return float(divisor if text.model_type == "hyperclovax" else 1 / divisor)


def _balance(
    router_logits: tuple[torch.Tensor, ...], text: Any, mask: torch.Tensor | None
) -> torch.Tensor:
    from transformers.models.mixtral.modeling_mixtral import load_balancing_loss_func

    loss: torch.Tensor = load_balancing_loss_func(
        router_logits, text.num_experts, text.num_experts_per_tok, mask
    )
    return loss
