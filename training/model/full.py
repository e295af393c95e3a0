"""Full fine-tuning: every weight of the base learns, but for what is outside its language model."""

from pathlib import Path

from transformers import PreTrainedModel

from training.model.file_names import require_writable
from training.model.language import is_text, text_modules


def train_all(model: PreTrainedModel, base: Path) -> PreTrainedModel:
    """Let every weight learn; towers see no data, and stay as they are.

    Raises ConfigurationError if the model could not be written as its base's files.
    """
    require_writable(model, base)
    text = text_modules(model)
    for name, weight in model.named_parameters():
        weight.requires_grad_(is_text(name, text))
    return model
