"""One row of data, as it was found."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from training.contract.errors import ConfigurationError


class Row(NamedTuple):
    """The columns of one row, and where it stands."""

    where: str
    """`file:line`, or the name of a set and the row's number."""
    columns: Mapping[str, Any]


class BadRow(NamedTuple):
    """A row that cannot be read, while those around it can."""

    where: str
    why: str
    remedy: str = ""

    def error(self) -> ConfigurationError:
        """What ends a run with `on_bad_row: stop`."""
        return ConfigurationError("data_invalid", f"{self.where}: {self.why}", self.remedy)
