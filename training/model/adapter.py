"""The LoRA adapter: put it on the base, compare it between ranks, save it."""

import hashlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import sqrt
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict
from peft.tuners.lora import LoraLayer
from peft.tuners.tuners_utils import BaseTunerLayer
from safetensors.torch import load_file, save_file
from transformers import PreTrainedModel, PreTrainedTokenizerBase, set_seed

from training.contract.config import Lora, Qlora
from training.contract.errors import ConfigurationError, TrainingError
from training.contract.method import CHANGES_BASE
from training.model import targets
from training.model.fully_shard import end_backwards_at_the_first_layer
from training.model.layers import layers_of
from training.model.modules_to_save import hold_in_float32, modules_of
from training.model.targets import Choice

FOLDER = "adapter"
SETTINGS, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"


@dataclass(frozen=True)
class Adapted:
    """A base with adapters on it."""

    model: PeftModel
    choice: Choice
    taken: Mapping[str, torch.Tensor]
    """What the adapter held at its beginning, where that was taken out of the base's weights."""


def attach(base: PreTrainedModel, lora: Lora | Qlora, seed: int) -> Adapted:
    """Freeze the base and add adapters: plain float32 tensors, whole and equal on every rank.

    On a base in bfloat16 the model must be called under autocast, as the trainer does. Raises
    ConfigurationError for names that match nothing, and what this model cannot do.
    """
    choice = targets.choose(layers_of(base), lora)
    config = _config(base, lora, choice)
    set_seed(seed)  # A is drawn at random; the same on every rank, before the trainer's broadcast
    # peft asks for this mark before it puts adapters on 4-bit layers. It goes again at once: trl
    # would round the adapters of a model with this mark to bfloat16.
    base.is_loaded_in_4bit = lora.kind == "qlora"
    try:
        model: PeftModel = get_peft_model(base, config)
    except ValueError as unfit:  # what peft cannot do with such a layer
        raise ConfigurationError(
            "method_unfit", str(unfit), "Take it out of method.targets, or put it in exclude."
        ) from None
    finally:
        del base.is_loaded_in_4bit
    hold_in_float32(model)
    _require(choice, model)
    if not lora.dora:
        _leave_casting_to_autocast(model)
    if not lora.modules_to_save:
        end_backwards_at_the_first_layer(base)
    taken = {}
    if lora.init.startswith(CHANGES_BASE):
        taken = {name: tensor.detach().clone() for name, tensor in held(model).items()}
    return Adapted(model, choice, taken)


def _config(base: PreTrainedModel, lora: Lora | Qlora, choice: Choice) -> LoraConfig:
    if lora.init.startswith(CHANGES_BASE):
        for name in choice.layers:
            if lora.r > min(base.get_submodule(name).weight.shape):
                raise ConfigurationError(
                    "method_unfit",
                    f"init {lora.init} needs an r of at most the sides of {name}",
                    "Lower method.r, or use init default.",
                )
    modules = [name for name, _ in base.named_modules()]
    weights = [name for name, _ in base.named_parameters()]
    return LoraConfig(
        task_type="CAUSAL_LM",
        r=lora.r,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=targets.shortest(choice.layers, modules),
        target_parameters=targets.shortest(choice.weights, weights, parts=2) or None,
        modules_to_save=modules_of(base, lora.modules_to_save) or None,
        use_rslora=lora.rslora,
        use_dora=lora.dora,
        init_lora_weights=True if lora.init == "default" else lora.init,
    )


def _require(choice: Choice, model: PeftModel) -> None:
    """What peft has adapted must be what was chosen: it reads names in its own ways."""
    names = {name for name, module in model.named_modules() if isinstance(module, LoraLayer)}
    plain = {name.removeprefix("base_model.model.") for name in names}
    adapted = {name.replace(".base_layer", "") for name in plain}
    stacks = {name.rpartition(".")[0] for name in choice.weights}
    if adapted != {*choice.layers, *stacks} or len(plain) != len(choice.layers + choice.weights):
        odd = sorted(adapted ^ {*choice.layers, *stacks})
        raise ConfigurationError(
            "method_unfit",
            f"peft does not adapt the chosen layers of this model alone ({', '.join(odd[:3])})",
            "Put these layers in method.exclude.",
        )


def _leave_casting_to_autocast(model: PeftModel) -> None:
    """Keep peft from copying what an adapter reads to float32.

    Autocast makes bfloat16 of the copy at once: the same bits, and a third of all memory traffic
    beside the multiplications for nothing. DoRA does more than multiply in float32, and keeps it.
    """
    for layer in model.modules():
        if isinstance(layer, BaseTunerLayer):
            layer.cast_input_dtype_enabled = False


def weights(adapted: Adapted) -> dict[str, torch.Tensor]:
    """The adapter's weights as its file has them: such that they fit the base as it is."""
    trained = held(adapted.model)
    if not adapted.taken:
        return trained
    # What was taken out of the base at the beginning is still in it when the adapter is used:
    # B A - B0 A0 is one adapter of twice the rank.
    settings, whole = adapted.model.peft_config["default"], dict[str, torch.Tensor]()
    scale = sqrt(settings.r) if settings.use_rslora else 1
    for name, now in trained.items():
        then = adapted.taken[name]
        if ".lora_A." in name:
            whole[name] = torch.cat([now, then])
        elif ".lora_B." in name:
            whole[name] = torch.cat([now, -then], dim=1) * scale
        else:
            whole[name] = now
    return whole


def _settings(adapted: Adapted, base_name: str) -> LoraConfig:
    """Of the saved adapter; rank and scale are those of `weights`."""
    # The base as in the recipe: this node's cache folder means nothing elsewhere.
    settings: LoraConfig = adapted.model.peft_config["default"]
    settings = replace(settings, base_model_name_or_path=base_name, inference_mode=True)
    if not adapted.taken:
        return settings
    return replace(
        settings,
        r=2 * settings.r,
        lora_alpha=2 * settings.lora_alpha,
        use_rslora=False,
        init_lora_weights=True,
    )


def held(model: PeftModel) -> dict[str, torch.Tensor]:
    """What is trained, under the names that an adapter's file has.

    Left to itself, peft takes the state of the whole model, and gathers every weight of a sharded
    one: 140 GB on one rank, in collectives that the others never join.
    """
    trained = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
    state: dict[str, torch.Tensor] = get_peft_model_state_dict(
        model, state_dict=trained, save_embedding_layers=False
    )
    return state


def tensors_sha256(tensors: Mapping[str, torch.Tensor]) -> str:
    """SHA-256 over names, types, shapes and bytes, sorted by name."""
    total = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        total.update(f"{name}\0{tensor.dtype}\0{tuple(tensor.shape)}\0".encode())
        total.update(tensor.view(torch.uint8).numpy().tobytes())
    return total.hexdigest()


def write(
    adapted: Adapted, tokenizer: PreTrainedTokenizerBase, base_name: str, out: Path | None
) -> str:
    """Write adapter and tokenizer to the folder `out`, or nothing (None); what was trained, summed.

    Only the adapter's own tensors are written: the trainer's save_model writes nothing, or gathers
    all of the base (seen with accelerate's FSDP2). What was written is read back.
    """
    tensors = {name: weight.detach().contiguous() for name, weight in weights(adapted).items()}
    trained = tensors_sha256(tensors)
    if out is None:
        return trained
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    _settings(adapted, base_name).save_pretrained(out)
    save_file(tensors, out / WEIGHTS, {"format": "pt"})
    tokenizer.save_pretrained(out)
    (out / WEIGHTS).chmod(0o644)  # made 0600, but who fetches it may be another user
    if trained != tensors_sha256(load_file(out / WEIGHTS)):
        raise TrainingError("adapter_not_saved", f"{out} holds other weights than were trained")
    return trained
