"""Fetch the base model onto this node's disk, or raise an error that explains why not."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from training.contract.config import ModelConfig
from training.contract.errors import ConfigurationError, TrainingError, first_line
from training.contract.names import source_of

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


@contextmanager
def hub_errors(name: str) -> Iterator[None]:
    """Translate what the Hub's clients raise while `name` is fetched."""
    from huggingface_hub import errors

    try:
        yield
    except errors.GatedRepoError:
        raise ConfigurationError(
            "hub_gated",
            f"{name} is gated, and this token has no access to it",
            f"Accept the licence on the Hub page of {name} with the account of the token, "
            "and give the token to sparkctl as HF_TOKEN.",
        ) from None
    except errors.RevisionNotFoundError as missing:
        raise ConfigurationError("hub_not_found", f"{name}: {first_line(missing)}") from None
    except errors.RepositoryNotFoundError:
        raise ConfigurationError(
            "hub_not_found",
            f"{name} does not exist on the Hub, or is private and the token may not see it",
            "Check the spelling; give HF_TOKEN for a private repository.",
        ) from None
    except errors.LocalEntryNotFoundError as unreachable:
        raise TrainingError(
            "hub_unreachable",
            f"{name} is not in the cache of this node and the Hub cannot be reached "
            f"({first_line(unreachable)})",
            "Check this node's internet access, or put the files into its Hugging Face cache.",
        ) from None
    except errors.HfHubHTTPError as refused:
        status = refused.response.status_code if refused.response is not None else 0
        kind = ConfigurationError if status in (401, 403) else TrainingError
        raise kind(
            "hub_refused", f"{name}: {first_line(refused)}", "Is the HF_TOKEN right and alive?"
        ) from None
    except (ConnectionError, TimeoutError) as unreachable:
        raise TrainingError(
            "hub_unreachable",
            f"{name}: {first_line(unreachable)}",
            "Check this node's internet access.",
        ) from None


def where_it_belongs(path: Path, folder: Path) -> str:
    """What to do about a file or folder of the user's that this node does not have."""
    there = path if path.is_relative_to(folder) else folder / path.name
    return (
        f"It must be on every node, in the folder `paths.data` (default ~/sparkctl/data): there it "
        f"is {there} for a run. Of `paths.cache` a run sees only what sparkctl made itself."
    )
