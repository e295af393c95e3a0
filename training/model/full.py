"""Full fine-tuning: every weight of the base learns."""

from pathlib import Path

from transformers import PreTrainedModel

from training.contract.errors import ConfigurationError
from training.model.weight_files import DTYPES, tensors_of


def train_all(model: PreTrainedModel, base: Path) -> PreTrainedModel:
    """Let every weight learn. Raises if the model could not be written as its base's files."""
    names = dict(model.named_parameters(remove_duplicate=False))
    for tensor in tensors_of(base):
        weight = names.get(tensor.name)
        if weight is None or tuple(weight.shape) != tensor.shape or tensor.dtype not in DTYPES:
            raise ConfigurationError(
                "method_unfit",
                f"{tensor.name} {tensor.shape} of the base's files is no weight of the model as "
                f"{type(model).__name__} holds it",
                "Full fine-tuning needs a base whose files and model have the same weights; "
                "use method.kind lora.",
            )
    return model.requires_grad_(True)
