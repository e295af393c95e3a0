"""The optimizer's settings."""

from typing import Literal

from pydantic import Field, model_validator

from training.contract.section import Section


class Optim(Section):
    """AdamW and its learning rate."""

    lr: float = Field(1e-4, gt=0, le=1)
    """Peak learning rate."""

    schedule: Literal["linear", "cosine", "constant"] = "linear"
    """How the learning rate changes after the warm-up; linear and cosine end at min_lr."""

    min_lr: float = Field(0.0, ge=0, le=1)
    """Learning rate at the end of a linear or cosine schedule."""

    warmup_steps: int = Field(0, ge=0)
    """Optimizer steps in which the learning rate climbs from 0 to its peak."""

    warmup_ratio: float = Field(0.0, ge=0, lt=1)
    """The same as a share of all steps, rounded up. One of the two."""

    weight_decay: float = Field(0.0, ge=0)
    """AdamW's decoupled weight decay; of biases and norms there is none."""

    betas: tuple[float, float] = (0.9, 0.999)
    """How much of the averages of the gradient and of its square a step keeps."""

    eps: float = Field(1e-8, gt=0, le=1)
    """Added to the root of the square's average."""

    max_grad_norm: float = Field(1.0, gt=0)
    """Gradients are scaled down to this norm."""

    name: Literal["adamw", "adamw_8bit"] = "adamw"
    """`adamw_8bit` (bitsandbytes) holds both averages in a byte each instead of 4: for full
    fine-tuning, 6 bytes a weight less. Needs ddp."""

    @model_validator(mode="after")
    def _fit_together(self) -> "Optim":
        if not all(0 <= beta < 1 for beta in self.betas):
            raise ValueError("betas: each is at least 0 and less than 1")
        if self.warmup_steps and self.warmup_ratio:
            raise ValueError("warmup_steps and warmup_ratio exclude each other")
        if self.min_lr and self.schedule == "constant":
            raise ValueError("min_lr: a constant learning rate has no end to come down to")
        if self.min_lr >= self.lr:
            raise ValueError("min_lr must be less than lr")
        return self
