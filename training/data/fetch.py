"""Fetch the base model onto this node's disk, or raise an error that explains why not."""

from contextlib import suppress
from pathlib import Path

from training.contract.config import ModelConfig
from training.contract.errors import ConfigurationError
from training.contract.names import source_of
from training.rows.missing import hub_errors, where_it_belongs

_WANTED = ["*.safetensors", "*.json", "*.model", "*.txt", "*.jinja"]
_UNWANTED = ["original/*", "*/*"]


def base_folder(
    model: ModelConfig, cache_dir: Path, data_dir: Path, *, known: bool = False
) -> Path:
    """Folder of the base's checkpoint on this node: built, fetched, or already there.

    A checkpoint of the user's own belongs into `data_dir`. `known`: as of `snapshot`.
    """
    match source_of(model.name):
        case "builtin":
            from training.builtin import tiny  # imports torch

            return tiny.build(cache_dir)
        case "hub":
            return snapshot(model.name, model.revision, _WANTED, _UNWANTED, known=known)
        case "path":
            folder = Path(model.name)
            if (folder / "config.json").is_file():
                return folder
            raise ConfigurationError(
                "model_not_found",
                f"{folder} holds no checkpoint (no config.json)",
                where_it_belongs(folder, data_dir),
            )


def snapshot(
    name: str,
    revision: str,
    wanted: list[str],
    unwanted: list[str] | None = None,
    *,
    known: bool = False,
) -> Path:
    """Folder of a repository's files in this node's Hub cache (`HF_HUB_CACHE`); downloaded when
    missing.

    `known`: an earlier attempt has had it. Then the Hub is asked only if it is not there any more:
    what has become of the repository since does not concern a run that goes on.

    The token is read by huggingface_hub itself (`HF_TOKEN_PATH`). Raises `ConfigurationError` for
    one that does not exist or is not granted, `TrainingError` for a network that fails.
    """
    from huggingface_hub import errors, snapshot_download

    def folder(*, here: bool) -> Path:
        return Path(
            snapshot_download(
                name,
                revision=revision,
                allow_patterns=wanted,
                ignore_patterns=unwanted,
                local_files_only=here,
            )
        )

    with hub_errors(name):
        if known:
            with suppress(errors.LocalEntryNotFoundError):
                return folder(here=True)
        return folder(here=False)
