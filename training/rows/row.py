"""One row of data, as it was found."""

from collections.abc import Mapping
from typing import Any, NamedTuple


class Row(NamedTuple):
    """The columns of one row, and where it stands."""

    where: str
    """`file:line`, or the name of a set and the row's number."""
    columns: Mapping[str, Any]


class BadRow(NamedTuple):
    """A row that cannot be read."""

    where: str
    why: str
