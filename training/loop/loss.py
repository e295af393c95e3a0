"""The loss: of the tokens that count, and of what keeps experts in balance."""

from typing import Any

import torch

from training.model.log_probs import Scores, score_targets


class Loss:
    """Of a model that scores targets from now on."""

    def __init__(self, base: Any) -> None:
        """`base`: the model of transformers, not a wrapper around it."""
        score_targets(base)

    def of_training(
        self, model: torch.nn.Module, batch: dict[str, Any], counted: int, passes: int
    ) -> torch.Tensor:
        """Sum over a batch, as a share of the `counted` tokens of all batches; of a model with
        experts also what keeps them in balance, as a share of the `passes`."""
        scores: Scores = model(**batch, balance=True)
        loss = -scores.log_probs.sum() / max(counted, 1)
        return loss if scores.balance is None else loss + scores.balance / passes

    def of_evaluation(self, model: torch.nn.Module, batch: dict[str, Any]) -> torch.Tensor:
        """Sum of the loss over a batch, in float64, on the device."""
        scores: Scores = model(**batch)
        return -scores.log_probs.sum(dtype=torch.float64)
