"""Parquet: batches of rows, never the whole file."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from training.contract.errors import ConfigurationError, first_line
from training.rows.row import Row

PARQUET = b"PAR1"
"""How such files begin."""

_AT_ONCE = 1000


def parquet_rows(file: Path, stream: BinaryIO) -> Iterator[Row]:
    """Rows with values as Python has them. Raises `ConfigurationError`."""
    try:
        from pyarrow import ArrowException, parquet
    except ImportError:
        raise ConfigurationError(
            "data_unreadable",
            f"{file}: Parquet is read with pyarrow, which is not installed here",
            "Install it (`pip install pyarrow`), or save the data as .jsonl.",
        ) from None
    number = 0
    try:
        whole: Any = parquet.ParquetFile(stream)
        for batch in whole.iter_batches(batch_size=_AT_ONCE):
            for columns in batch.to_pylist():
                yield Row(f"{file} row {number}", columns)
                number += 1
    except (ArrowException, OSError, ValueError, OverflowError, KeyError) as broken:
        raise ConfigurationError(
            "data_unreadable",
            f"{file}: after {number} rows: {first_line(broken)}",
            "Is it a Parquet file, and whole? Copy it again.",
        ) from None
