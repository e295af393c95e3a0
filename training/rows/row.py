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
        """The same as an error."""
        return ConfigurationError("data_invalid", f"{self.where}: {self.why}", self.remedy)


def ends_a_run(bad: ConfigurationError) -> ConfigurationError:
    """What is wrong with a row, where `data.on_bad_row` is `stop`."""
    remedy = f"{bad.remedy} data.on_bad_row: skip leaves such rows out.".lstrip()
    return ConfigurationError(bad.code, bad.message, remedy)
