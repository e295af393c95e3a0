"""Why something is not here, and where it belongs: what the Hub's clients raise, in our words."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from training.contract.errors import ConfigurationError, TrainingError, first_line


@contextmanager
def hub_errors(name: str) -> Iterator[None]:
    """Translate what the Hub's clients raise while `name` is fetched."""
    from huggingface_hub import errors

    try:
        yield
    except errors.GatedRepoError:
        raise gated(name) from None
    except errors.RevisionNotFoundError as missing:
        raise ConfigurationError("hub_not_found", f"{name}: {first_line(missing)}") from None
    except errors.RepositoryNotFoundError:
        raise not_found(name) from None
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


def gated(name: str) -> ConfigurationError:
    """For who has not accepted a licence."""
    return ConfigurationError(
        "hub_gated",
        f"{name} is gated, and this token has no access to it",
        f"Accept the licence on the Hub page of {name} with the account of the token, "
        "and give the token to sparkctl as HF_TOKEN.",
    )


def not_found(name: str) -> ConfigurationError:
    """For who may not see it, or nobody."""
    return ConfigurationError(
        "hub_not_found",
        f"{name} does not exist on the Hub, or is private and the token may not see it",
        "Check the spelling; give HF_TOKEN for a private repository.",
    )


def where_it_belongs(path: Path, folder: Path) -> str:
    """What to do about a file or folder of the user's that this node does not have."""
    there = path if path.is_relative_to(folder) else folder / path.name
    return (
        f"It must be on every node, in the folder `paths.data` (default ~/sparkctl/data): there it "
        f"is {there} for a run. Of `paths.cache` a run sees only what sparkctl made itself."
    )
