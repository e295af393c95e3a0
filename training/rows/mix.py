"""Several sources as one: in proportion, and the same on every node."""

from collections.abc import Generator, Iterator, Sequence
from fractions import Fraction
from math import lcm

from training.rows.row import BadRow, Row

Found = Iterator[Row | BadRow]


def mixed(sources: Sequence[tuple[Found, float]]) -> Found:
    """All rows of all sources, each in its order; `sources` are rows and their share.

    After any number of rows every source has given its share of them to within one row, until one
    ends: from there on, the others keep to their shares among each other. Bad rows pass uncounted.
    """
    alive = list(sources)
    while alive:
        ended = yield from _until_one_ends([rows for rows, _ in alive], _whole(alive))
        del alive[ended]


def _until_one_ends(
    sources: Sequence[Found], weights: Sequence[int]
) -> Generator[Row | BadRow, None, int]:
    """Returns which one it was."""
    for source in _turns(weights):
        for row in sources[source]:
            yield row
            if isinstance(row, Row):
                break
        else:
            return source
    raise AssertionError("turns never end")


def _turns(weights: Sequence[int]) -> Iterator[int]:
    """Whose turn it is, for ever.

    The k-th row of a source is due within a window of turns, from floor(k / share) on and before
    ceil((k + 1) / share). Of those whose window is open, the one that closes first is taken: then
    no window is missed (S. Baruah et al., "Proportionate progress", 1996, for one processor).
    """
    total = sum(weights)
    given = [0] * len(weights)
    turn = 0
    while True:
        ready = (i for i, weight in enumerate(weights) if given[i] * total // weight <= turn)
        due = min(ready, key=lambda i: (-(-(given[i] + 1) * total // weights[i]), i))
        yield due
        given[due] += 1
        turn += 1


def _whole(sources: Sequence[tuple[Found, float]]) -> list[int]:
    """Shares as whole numbers: no rounding, so all nodes take the same turns."""
    shares = [Fraction(str(share)) for _, share in sources]
    scale = lcm(*(share.denominator for share in shares))
    return [int(share * scale) for share in shares]
