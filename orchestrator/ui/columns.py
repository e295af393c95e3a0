"""Which columns of a table a terminal of some width shows, and which come beneath, or not at all.

Pure. The first column says what a row is about: it is in every part, and nothing of it is ever cut.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from orchestrator.ui.plain import one_line

Part = tuple[int, ...]
"""Numbers of the columns that stand side by side, in their order."""
Cell = str | Text

_GAP = 2


@dataclass(frozen=True)
class Column:
    """One column."""

    title: str
    rank: int
    """Where it is too narrow for all, the lowest are shown first."""


def parts(ranks: Sequence[int], widths: Sequence[int], width: int) -> list[Part]:
    """The columns by part: all in one where there is room, else the most important in the first.

    `ranks`, `widths` (cells, with the title) are of each column, `width` is the terminal's. A
    column that is wider than a line has a part of its own, and a name longer than that is wrapped
    by the terminal: nothing is lost.
    """
    left = sorted(range(1, len(widths)), key=lambda column: (ranks[column], column))
    found: list[Part] = []
    while left:
        used, taken = widths[0], list[int]()
        for column in left:
            if not taken or used + _GAP + widths[column] <= width:
                taken.append(column)
                used += _GAP + widths[column]
        left = [column for column in left if column not in taken]
        found.append((0, *sorted(taken)))
    return found or [(0,)]


def tables(
    columns: Sequence[Column], rows: Sequence[Sequence[Cell]], width: int
) -> Iterator[tuple[Part, Table]]:
    """Each part as a table, the most important first."""
    widths = [
        max(_cells(column.title), *(_cells(row[number]) for row in rows), 0)
        for number, column in enumerate(columns)
    ]
    for part in parts([column.rank for column in columns], widths, width):
        table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="bold")
        for number in part:
            # Without a least width rich would shorten all columns of a line that is too long.
            table.add_column(columns[number].title, no_wrap=True, min_width=widths[number])
        for row in rows:
            table.add_row(*(row[number] for number in part))
        yield part, table


def _cells(cell: Cell) -> int:
    """As it will be seen; a character of East Asia takes two."""
    return cell_len(one_line(cell if isinstance(cell, str) else cell.plain))
