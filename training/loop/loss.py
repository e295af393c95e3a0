"""The loss: trl's, of the tokens that count alone, without the logits of a whole batch."""

from typing import Any

import torch


class Loss:
    """Of a model that has trl's fused head from now on."""

    def __init__(self, base: Any) -> None:
        """`base`: the model of transformers, not a wrapper around it."""
        # It brings pandas and datasets along: nothing that a rank needs before it has joined.
        from trl.trainer.utils import add_fused_lm_head

        add_fused_lm_head(base)
        text = base.config.get_text_config()
        known = hasattr(text, "output_router_logits")
        self._router: float = getattr(text, "router_aux_loss_coef", 0.0) if known else 0.0
        if known:  # trl's head reads it of the config, whatever the model was loaded with
            text.output_router_logits = False

    def of_training(
        self, model: torch.nn.Module, batch: dict[str, Any], counted: int, passes: int
    ) -> torch.Tensor:
        """Sum over a batch, as a share of the `counted` tokens of all batches; of a model with
        experts also what keeps them in balance, as a share of the `passes`."""
        router = {"output_router_logits": True} if self._router else {}
        out = model(**batch, **router, use_cache=False, fused_lm_head=True)
        loss: torch.Tensor = -out.log_probs.float().sum() / max(counted, 1)
        if self._router:
            loss = loss + self._router * out.aux_loss / passes
        return loss

    def of_evaluation(self, model: torch.nn.Module, batch: dict[str, Any]) -> torch.Tensor:
        """(sum of the loss, tokens that it counts), in float64, on the device."""
        out = model(**batch, use_cache=False, fused_lm_head=True)
        counted = out.label_mask.sum()
        return torch.stack([-out.log_probs.double().sum(), counted.double()])
