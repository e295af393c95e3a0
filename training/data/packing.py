"""Rows put together so that rooms of a size in tokens are full. Pure, and the same for ever."""

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Sequence

Rows = tuple[int, ...]

WINDOW = 64
"""Rooms that are filled from the same part of the stream: more rows to choose from, fuller rooms;
fewer, and a batch is nearer to a random one."""


def best_fit(rows: Sequence[int], lengths: Sequence[int], room: int) -> list[list[int]]:
    """Each row, the longest first, into the fullest room that has space for it.

    A row that is longer than `room` stands alone.
    """
    rooms: list[list[int]] = []
    spaces: list[tuple[int, int]] = []
    """(tokens left, number of the room), in order."""
    for row in sorted(rows, key=lambda row: -lengths[row]):
        length = lengths[row]
        at = bisect_left(spaces, (length, -1))
        if at == len(spaces):
            rooms.append([row])
            left, number = room - length, len(rooms) - 1
        else:
            left, number = spaces.pop(at)
            rooms[number].append(row)
            left -= length
        if left > 0:
            insort(spaces, (left, number))
    return rooms


def packed(order: Sequence[int], lengths: Sequence[int], room: int) -> Iterator[Rows]:
    """The rows of one epoch in rooms; every row once.

    The stream is cut into windows. In each the rooms come in the order of their first row in the
    stream, not of their fill; the emptiest goes on into the next window.
    """
    places = {row: place for place, row in enumerate(order)}
    window: list[int] = []
    tokens = 0
    for at, row in enumerate(order, 1):
        window.append(row)
        tokens += lengths[row]
        last = at == len(order)
        if not last and tokens < WINDOW * room:
            continue
        rooms, window = best_fit(window, lengths, room), []
        if not last and len(rooms) > 1:
            window = min(rooms, key=lambda rows: sum(lengths[row] for row in rows))
            rooms.remove(window)
        tokens = sum(lengths[row] for row in window)
        in_order = [tuple(sorted(rows, key=places.__getitem__)) for rows in rooms]
        yield from sorted(in_order, key=lambda rows: places[rows[0]])


def merged(
    rows: Iterable[int], lengths: Sequence[int], room: int, ranks: int, most: int
) -> list[Rows] | None:
    """The rows of one step in as few rooms as hold them, each rank as many, all about as full.

    None where that takes more than `most` rooms. `ranks` divides the number of rooms.
    """
    by_length = sorted(rows, key=lambda row: (-lengths[row], row))
    tokens = sum(lengths[row] for row in by_length)
    for number in range(ranks * max(1, -(-tokens // (room * ranks))), most + 1, ranks):
        rooms: list[list[int]] = [[] for _ in range(number)]
        full = [0] * number
        for row in by_length:
            emptiest = full.index(min(full))
            rooms[emptiest].append(row)
            full[emptiest] += lengths[row]
        if max(full) <= room and all(rooms):
            return [tuple(rows) for rows in rooms]
    return None
