"""Our settings as trl's."""

from pathlib import Path

import torch
from trl import SFTConfig

from training.contract.config import Optim, TrainingConfig
from training.contract.errors import ConfigurationError


def arguments(config: TrainingConfig, steps: int, device: torch.device, scratch: Path) -> SFTConfig:
    """For `steps` optimizer steps. Raises ConfigurationError for what this machine cannot do."""
    loop, optim, cuda = config.loop, config.optim, device.type == "cuda"
    kind, settings = _schedule(optim)
    return SFTConfig(
        output_dir=str(scratch),
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        logging_steps=loop.log_every,
        logging_nan_inf_filter=False,  # it would hide a loss that is not a number
        eval_on_start=True,
        eval_strategy="steps" if loop.eval_every else "no",
        eval_steps=loop.eval_every or None,
        max_steps=steps,
        per_device_train_batch_size=loop.per_device_batch_size,
        per_device_eval_batch_size=loop.per_device_batch_size,
        gradient_accumulation_steps=loop.gradient_accumulation_steps,
        gradient_checkpointing=bool(loop.gradient_checkpointing),
        learning_rate=optim.lr,
        lr_scheduler_type=kind,
        lr_scheduler_kwargs=settings,
        warmup_steps=optim.warmup_ratio or optim.warmup_steps,  # it takes a share below 1
        weight_decay=optim.weight_decay,
        adam_beta1=optim.betas[0],
        adam_beta2=optim.betas[1],
        adam_epsilon=optim.eps,
        max_grad_norm=optim.max_grad_norm,
        seed=loop.seed,
        bf16=config.model.dtype == "bfloat16",  # trl's default is True whatever the model is
        max_length=None,  # sequences are cut already
        use_cpu=not cuda,
        ddp_backend=None if cuda else "gloo",  # where torch has MPI, accelerate would take that
        ddp_find_unused_parameters=False,
        ddp_timeout=int(config.parallel.timeout),
        dataloader_pin_memory=cuda,
        **_algorithm(optim, device),
    )


def _schedule(optim: Optim) -> tuple[str, dict[str, float]]:
    """transformers' name of the schedule, and its settings.

    Its `constant` takes no warm-up, and only some of the others an end that is not 0.
    """
    if optim.schedule == "constant":
        return (
            "constant_with_warmup" if optim.warmup_steps or optim.warmup_ratio else "constant"
        ), {}
    if not optim.min_lr:
        return optim.schedule, {}
    if optim.schedule == "cosine":
        return "cosine_with_min_lr", {"min_lr": optim.min_lr}
    return "polynomial", {"lr_end": optim.min_lr, "power": 1.0}  # the power 1 is a line


def _algorithm(optim: Optim, device: torch.device) -> dict[str, str]:
    """Nothing for the trainer's own AdamW; else the other, which must run on this device."""
    if optim.name == "adamw":
        return {}
    try:
        from bitsandbytes.optim import AdamW8bit

        weight = torch.nn.Parameter(torch.ones(4096, device=device))  # smaller ones stay in 32 bits
        weight.grad = torch.ones_like(weight)
        AdamW8bit([weight]).step()
    except Exception as failure:  # of a library that may lack its half in C
        raise ConfigurationError(
            "optimizer_unfit",
            f"optim.name {optim.name} does not run on this machine ({device}): "
            f"{type(failure).__name__}: {failure}".splitlines()[0],
            "Use optim.name adamw.",
        ) from None
    return {"optim": "adamw_bnb_8bit"}
