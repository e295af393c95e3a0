"""The LoRA adapter: put it on the base, compare it between ranks, save it."""

import hashlib
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict
from peft.tuners.tuners_utils import BaseTunerLayer
from safetensors.torch import load_file
from transformers import PreTrainedModel, PreTrainedTokenizerBase, set_seed

from training.contract.config import Lora, Qlora
from training.contract.errors import ConfigurationError, TrainingError

FOLDER = "adapter"


def attach(base: PreTrainedModel, lora: Lora | Qlora, seed: int) -> PeftModel:
    """Freeze the base and add adapters: plain float32 tensors, whole and equal on every rank.

    On a base in bfloat16 the model must be called under autocast, as the trainer does.
    """
    set_seed(seed)  # A is drawn at random; the same on every rank, before the trainer's broadcast
    config = LoraConfig(
        task_type="CAUSAL_LM",
        r=lora.r,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=list(lora.targets),
        use_dora=lora.dora,
    )
    # peft asks for this mark before it puts adapters on 4-bit layers. It goes again at once: trl
    # would round the adapters of a model with this mark to bfloat16.
    base.is_loaded_in_4bit = lora.kind == "qlora"
    try:
        model: PeftModel = get_peft_model(base, config)
    except ValueError as unfit:  # targets that this model has not
        raise ConfigurationError(
            "method_unfit", str(unfit), "method.targets must name linear layers of this model."
        ) from None
    finally:
        del base.is_loaded_in_4bit
    if not lora.dora:
        _leave_casting_to_autocast(model)
    return model


def _leave_casting_to_autocast(model: PeftModel) -> None:
    """Keep peft from copying what an adapter reads to float32.

    Autocast makes bfloat16 of the copy at once: the same bits, and a third of all memory traffic
    beside the multiplications for nothing. DoRA does more than multiply in float32, and keeps it.
    """
    for layer in model.modules():
        if isinstance(layer, BaseTunerLayer):
            layer.cast_input_dtype_enabled = False


def weights(model: PeftModel) -> dict[str, torch.Tensor]:
    """The adapter's weights under the names that its file has."""
    state: dict[str, torch.Tensor] = get_peft_model_state_dict(
        model, state_dict=_trained(model), save_embedding_layers=False
    )
    return state


def _trained(model: PeftModel) -> dict[str, torch.Tensor]:
    """Only what was trained. Left to itself, peft takes the state of the whole model, and gathers
    every weight of a sharded one: 140 GB on one rank, in collectives that the others never join."""
    return {name: weight for name, weight in model.named_parameters() if weight.requires_grad}


def tensors_sha256(tensors: Mapping[str, torch.Tensor]) -> str:
    """SHA-256 over names, types, shapes and bytes, sorted by name."""
    total = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        total.update(f"{name}\0{tensor.dtype}\0{tuple(tensor.shape)}\0".encode())
        total.update(tensor.view(torch.uint8).numpy().tobytes())
    return total.hexdigest()


def write(
    model: PeftModel, tokenizer: PreTrainedTokenizerBase, base_name: str, out: Path | None
) -> str:
    """Write adapter and tokenizer to the folder `out`, or nothing (None); what was trained, summed.

    Only the adapter's own tensors are written: the trainer's save_model writes nothing, or gathers
    all of the base (seen with accelerate's FSDP2). What was written is read back.
    """
    trained = tensors_sha256(weights(model))
    if out is None:
        return trained
    shutil.rmtree(out, ignore_errors=True)
    settings: Any = model.peft_config["default"]
    settings.base_model_name_or_path = base_name  # as in the recipe, not this node's cache folder
    model.save_pretrained(out, state_dict=_trained(model), save_embedding_layers=False)
    tokenizer.save_pretrained(out)
    file = out / "adapter_model.safetensors"
    file.chmod(0o644)  # safetensors makes it 0600, but who fetches it may be another user
    if trained != tensors_sha256(load_file(file)):
        raise TrainingError("adapter_not_saved", f"{out} holds other weights than were trained")
    return trained
