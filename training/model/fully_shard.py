"""An empty model is shared out over the ranks (FSDP2), and the proof that it was."""

import math

import torch
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor
from transformers import PreTrainedModel
from transformers.distributed import DistributedConfig
from transformers.distributed.fsdp import _get_fsdp_policy_kwargs
from transformers.modeling_layers import GradientCheckpointingLayer

from training.contract.errors import ConfigurationError
from training.model.language import is_text, text_modules


def share_out(
    model: PreTrainedModel, world_size: int, *, mixed: bool
) -> tuple[PreTrainedModel, torch.device]:
    """The same model with every weight a slice, by transformers' plan for it; and the device.

    All ranks call this together. With `mixed` the weights travel and compute in bfloat16.
    """
    kind = type(model)
    # A tower never runs: by itself it stays a slice, in its wrapper's group it would be gathered.
    apart = dict.fromkeys(towers(model), "free_full_weight")
    wanted, device, meshes = kind.prepare_distribute_model(
        DistributedConfig(fsdp_size=world_size, fsdp_mixed_precision=mixed, fsdp_plan=apart)
    )
    if tied := _tied_ends(model):
        # One weight, so one group: by transformers' plan it would be gathered twice, and kept.
        modules = [model.get_submodule(name) for name in tied]
        policy = _get_fsdp_policy_kwargs(wanted)
        fully_shard(modules, mesh=meshes.get_mesh("fsdp"), reshard_after_forward=False, **policy)
        model._fsdp_plan = {k: v for k, v in model.fsdp_plan.items() if k not in tied}
    return kind.maybe_distribute_model(model, wanted, meshes), torch.device(device)


def end_backwards_at_the_first_layer(model: PreTrainedModel) -> None:
    """What comes before the first layer does not learn: a backward pass asks for none of it.

    FSDP2 would have it on its way while the first layer is computed (1.5 % of what travels for
    a Llama of 70B). A layer that is told to have itself ready asks for nothing.
    """
    layers = (one for one in model.modules() if isinstance(one, GradientCheckpointingLayer))
    first = next((one for one in layers if isinstance(one, FSDPModule)), None)
    if first is not None:
        first.set_modules_to_backward_prefetch([first])


def towers(model: PreTrainedModel) -> tuple[str, ...]:
    """Dotted names of the largest parts of a wrapper that hold nothing of its language model."""
    text = text_modules(model)
    outside = [
        name
        for name, module in model.named_modules()
        if not is_text(name, text)
        and any(True for _ in module.parameters())
        and not any(not name or part.startswith(f"{name}.") for part in text)
    ]
    return tuple(n for n in outside if not any(n.startswith(f"{other}.") for other in outside))


def _tied_ends(model: PreTrainedModel) -> tuple[str, ...]:
    """Names of the embeddings and the output layer where they are one weight."""
    ends = model.get_input_embeddings(), model.get_output_embeddings()
    weights = {id(getattr(end, "weight", end)) for end in ends}
    if len(weights) > 1:
        return ()
    return tuple(name for name, module in model.named_modules() if module in ends)


def prove_sharded(model: torch.nn.Module, world_size: int) -> tuple[int, int]:
    """(weights of the model, weights on this rank); raises unless every single one is sharded.

    No launcher's word is taken for it: FSDP that did not happen looks the same from outside and
    exits 0 (seen with accelerate 1.15). A rank may hold at most ceil(rows / N) rows of a weight.
    """
    total = local = 0
    for name, weight in model.named_parameters():
        if not isinstance(weight, DTensor):
            raise ConfigurationError("not_sharded", f"{name} is not sharded")
        held = weight.to_local().numel()
        rows = weight.shape[0]
        if held > math.ceil(rows / world_size) * (weight.numel() // rows):
            raise ConfigurationError(
                "not_sharded", f"this rank holds {held} of the {weight.numel()} weights of {name}"
            )
        total += weight.numel()
        local += held
    return total, local
