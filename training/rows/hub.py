"""Rows of a data set of the Hub, through the `datasets` library."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from training.contract.errors import ConfigurationError, first_line, is_full
from training.contract.source import Evaluation, Source
from training.rows.missing import gated, hub_errors, not_found
from training.rows.row import Row

_AT_ONCE = 1000
_LIST = re.compile(r"\[(.*?)\]")
_SPLITS = "A split is a name such as train, or a part: train[:50%], train[100:200], train+test."


def rows_of_set(place: Source | Evaluation) -> Iterator[Row]:
    """Rows of a split, or of the part that its brackets name, as the files have them.

    Raises `ConfigurationError` for what the data set does not have, which says what it has.
    """
    import datasets

    datasets.disable_progress_bars()
    with hub_errors(place.name), _set_errors(place):
        rows = datasets.load_dataset(
            place.name, place.config, revision=place.revision, split=place.split
        )
    parts = (place.name, place.config, None if place.split == "train" else place.split)
    label = " ".join(part for part in parts if part)
    number = 0
    # As Arrow: pictures and sounds in other columns are not decoded, which needs more libraries.
    for table in rows.with_format("arrow").iter(batch_size=_AT_ONCE):
        for columns in table.to_pylist():
            yield Row(f"{label} row {number}", columns)
            number += 1


@contextmanager
def _set_errors(place: Source | Evaluation) -> Iterator[None]:
    """Translate what `datasets` raises beside the Hub's own errors."""
    from datasets.exceptions import DatasetNotFoundError, DatasetsError

    try:
        yield
    except DatasetNotFoundError as missing:
        if "gated" in str(missing):
            raise gated(place.name) from None
        if str(missing).startswith("Revision"):
            raise _invalid(place, f"there is no revision {place.revision}", "") from None
        raise not_found(place.name) from None
    except (ValueError, RuntimeError, FileNotFoundError, DatasetsError) as refused:
        if is_full(refused):
            raise
        raise _refused(place, refused) from None


def _refused(place: Source | Evaluation, refused: Exception) -> ConfigurationError:
    said = " ".join(str(refused).split())
    found = _LIST.search(said)
    there = found[1].replace("'", "") if found else ""
    if said.startswith("Config name is missing"):
        why = f"it has several configurations: {there}"
        return _invalid(place, why, "Set config to one of them.")
    if said.startswith("BuilderConfig"):
        why = f"there is no configuration {place.config}; it has: {there}"
        return _invalid(place, why, "Set config to one of them.")
    if said.startswith("Unknown split"):
        return _invalid(place, f"there is no split {place.split}; it has: {there}", _SPLITS)
    if re.search('split|instruction (format|")', said, re.IGNORECASE):
        return _invalid(place, f"split {place.split}: {said}", _SPLITS)
    if said.startswith("Dataset scripts"):
        return _invalid(
            place,
            f"it is made by a script ({said.rpartition(' ')[2]}), which is never run",
            "Most such sets have a branch with Parquet files: set revision: refs/convert/parquet",
        )
    cause = refused.__cause__
    why = f"{said} ({first_line(cause)})" if cause else said
    return _invalid(place, why, "Look at its page on the Hub.")


def _invalid(place: Source | Evaluation, why: str, remedy: str) -> ConfigurationError:
    return ConfigurationError("data_invalid", f"{place.name}: {why}", remedy)
