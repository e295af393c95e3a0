"""Embeddings and output layer that config.json calls one weight, while the files may hold two."""

from collections.abc import Mapping

import torch
from transformers import PreTrainedModel

from training.contract.errors import ConfigurationError
from training.model.architecture import Architecture
from training.model.conversion import Group, plan
from training.model.empty import empty_model
from training.model.weight_reader import WeightReader

_STAGED = 8 * 2**20
"""Bytes of each that are compared at a time."""


def empty_as_in_files(
    found: Architecture, dtype: torch.dtype, reader: WeightReader
) -> PreTrainedModel:
    """The empty model. Weights that config.json ties, and of which the files hold two that differ,
    are two, as from_pretrained has them.

    That is decided before anything is shared out: FSDP2 takes what is tied for one weight, and
    would then compute with only one of the two.
    """
    model = empty_model(found, dtype)
    tied: Mapping[str, str] = model.all_tied_weights_keys
    if not tied:
        return model
    groups = {
        name: group
        for group in plan(model, reader.tensors.values(), found.quantizer).groups
        for name in group.targets
    }
    both = [(a, b) for a, b in tied.items() if a in groups and b in groups]
    if not any(_differ(groups[a], groups[b], dtype, reader) for a, b in both):
        return model
    for part in (found.config, found.config.get_text_config()):
        part.tie_word_embeddings = False
    return empty_model(found, dtype)


def _differ(one: Group, other: Group, dtype: torch.dtype, reader: WeightReader) -> bool:
    if one.converter or other.converter:
        raise ConfigurationError(
            "checkpoint_unfit",
            f"config.json ties {one.names[0]} to {other.names[0]}, and the files hold both, not as "
            "plain numbers",
            "If they are two, say so in its config.json: tie_word_embeddings: false.",
        )
    names = one.names[0], other.names[0]
    tensor = reader.tensors[names[0]]
    count = tensor.shape[0]
    step = max(1, _STAGED * count // max(1, tensor.end - tensor.start))
    for start in range(0, count, step):
        rows = slice(start, min(start + step, count))
        ours, theirs = reader.read((name, rows) for name in names)
        if not torch.equal(ours.to(dtype), theirs.to(dtype)):
            return True
    return False
