"""Fetch the base model onto this node's disk, or raise an error that explains why not."""

from pathlib import Path

from training.contract.config import ModelConfig
from training.contract.errors import ConfigurationError
from training.contract.names import source_of
from training.rows.missing import hub_errors, where_it_belongs

_WANTED = ["*.safetensors", "*.json", "*.model", "*.txt", "*.jinja"]
_UNWANTED = ["original/*", "*/*"]


def base_folder(model: ModelConfig, cache_dir: Path, data_dir: Path) -> Path:
    """Folder of the base's checkpoint on this node: built, fetched, or already there.

    A checkpoint of the user's own belongs into `data_dir`.
    """
    match source_of(model.name):
        case "builtin":
            from training.builtin import tiny  # imports torch

            return tiny.build(cache_dir)
        case "hub":
            return fetch_model(model)
        case "path":
            folder = Path(model.name)
            if (folder / "config.json").is_file():
                return folder
            raise ConfigurationError(
                "model_not_found",
                f"{folder} holds no checkpoint (no config.json)",
                where_it_belongs(folder, data_dir),
            )


def fetch_model(model: ModelConfig) -> Path:
    """Folder of the checkpoint in this node's Hub cache (`HF_HUB_CACHE`); downloaded when missing.

    The token is read by huggingface_hub itself (`HF_TOKEN_PATH`). Raises `ConfigurationError` for a
    model that does not exist or is not granted, `TrainingError` for a network that fails.
    """
    import huggingface_hub

    with hub_errors(model.name):
        folder = huggingface_hub.snapshot_download(
            model.name,
            revision=model.revision,
            allow_patterns=_WANTED,
            ignore_patterns=_UNWANTED,
        )
    return Path(folder)
