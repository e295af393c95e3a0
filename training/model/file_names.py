"""A trained model's weights under the names of its base's files: the conversion, backwards."""

from collections.abc import Mapping
from pathlib import Path

import torch
from transformers import PreTrainedModel
from transformers.core_model_loading import revert_weight_conversion

from training.contract.errors import ConfigurationError
from training.model.architecture import architecture_of
from training.model.conversion import Group, plan
from training.model.empty import empty_model
from training.model.weight_files import DTYPES, tensors_of


class BaseFiles:
    """What becomes of each weight of a base's files, and the way back. Reads headers alone.

    Raises ConfigurationError for files that are not those of their model.
    """

    def __init__(self, base: Path) -> None:
        found = architecture_of(base)
        self.model = empty_model(found, torch.float32)
        groups = plan(self.model, tensors_of(base), found.quantizer).groups
        self.groups: Mapping[str, Group] = {name: group for group in groups for name in group.names}
        """By the name of a weight in the files; those that the model ignores are absent."""

    def in_files(
        self, group: Group, weights: Mapping[str, torch.Tensor]
    ) -> dict[str, torch.Tensor]:
        """The group's weights of the model (all of it, whole) as the files have them."""
        return dict(revert_weight_conversion(self.model, dict(weights)))

    @property
    def renamed(self) -> Mapping[str, str]:
        """Names in the files by those in the model, where a weight is the same in both."""
        return {
            target: name
            for name, group in self.groups.items()
            for target in group.targets
            if group.converter is None
        }


def require_writable(model: PreTrainedModel, base: Path) -> None:
    """Raise ConfigurationError if the model's weights could not be written as its base's files."""
    weights = dict(model.named_parameters(remove_duplicate=False)) | dict(model.named_buffers())
    shapes = {tensor.name: tensor for tensor in tensors_of(base)}
    files = BaseFiles(base)
    for name, group in {group.names[0]: group for group in files.groups.values()}.items():
        empty = {n: torch.empty(weights[n].shape, device="meta") for n in group.targets}
        made = {n: tuple(value.shape) for n, value in files.in_files(group, empty).items()}
        there = {n: shapes[n].shape for n in group.names}
        if made != there or any(shapes[n].dtype not in DTYPES for n in there):
            raise ConfigurationError(
                "method_unfit",
                f"{name} {shapes[name].shape} of the base's files cannot be written from the model "
                f"as {type(model).__name__} holds it",
                "Full fine-tuning needs a base whose weights can be written as they were read; "
                "use method.kind lora.",
            )
