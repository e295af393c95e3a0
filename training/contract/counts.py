"""What came of the rows of a data set: counted once, said in the same words everywhere."""

from collections.abc import Iterator, Mapping
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Count = Annotated[int, Field(ge=0, lt=2**63)]
"""What is counted here fits a machine's word; a longer number is no count."""

PHRASE = 200
PLACES = 5
KEYS = 20
Phrase = Annotated[str, Field(max_length=PHRASE)]


def phrase(text: str) -> str:
    """What is kept of a row's own words: a line of some length."""
    return " ".join(text.split())[:PHRASE]


class DataCounts(BaseModel):
    """Counts of a data set, or of a part of it; parts add up with `total`."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    rows: Count = 0
    """Read, bad ones included."""
    bad: Count = 0
    """Skipped (`data.on_bad_row`)."""
    bad_places: Annotated[tuple[Phrase, ...], Field(max_length=PLACES)] = ()
    """The first few of them: where, and what is wrong."""
    left_out: Annotated[dict[Phrase, Count], Field(max_length=100)] = {}
    """By the reason. Where a row gives several sequences, each counts by itself."""
    cut: Count = 0
    """Sequences that were longer than `data.max_length`."""
    endless: Count = 0
    """Of these, such as are cut inside an answer: the mark of its end is gone."""
    unread: Annotated[tuple[Phrase, ...], Field(max_length=KEYS)] = ()
    """Keys of turns that nobody reads, sorted."""
    sequences: Count = 0
    """To train on and held out."""
    tokens: Count = 0
    """Of all sequences."""
    learned: Count = 0
    """Tokens that the loss counts."""
    longest: Count = 0
    """Tokens of the longest sequence."""


def total(one: DataCounts, more: DataCounts) -> DataCounts:
    """Of two parts, in the order of their rows."""
    reasons = sorted({*one.left_out, *more.left_out})
    return DataCounts(
        rows=one.rows + more.rows,
        bad=one.bad + more.bad,
        bad_places=(one.bad_places + more.bad_places)[:PLACES],
        left_out={r: one.left_out.get(r, 0) + more.left_out.get(r, 0) for r in reasons},
        cut=one.cut + more.cut,
        endless=one.endless + more.endless,
        unread=tuple(sorted({*one.unread, *more.unread})[:KEYS]),
        sequences=one.sequences + more.sequences,
        tokens=one.tokens + more.tokens,
        learned=one.learned + more.learned,
        longest=max(one.longest, more.longest),
    )


def sentence(counts: DataCounts) -> str:
    """All of it in one line: `1,204 rows, 3 left out (2 empty answer, 1 too long), …`."""
    return "; ".join((", ".join(_rows(counts)), *_rest(counts)))


def _rows(counts: DataCounts) -> Iterator[str]:
    yield _many(counts.rows, "row")
    if counts.bad:
        yield f"{counts.bad:,} bad{_first(counts)}"
    if counts.left_out:
        yield f"{sum(counts.left_out.values()):,} left out ({_reasons(counts.left_out)})"
    if counts.cut:
        ends = "lose the end of their answer (raise data.max_length)"
        ends = f": {counts.endless:,} {ends}" if counts.endless else ""
        yield f"{counts.cut:,} cut{ends}"


def _rest(counts: DataCounts) -> Iterator[str]:
    yield (
        f"{_many(counts.sequences, 'sequence')} of {counts.tokens:,} tokens, "
        f"{counts.learned:,} learned, the longest {counts.longest:,}"
    )
    if counts.unread:
        yield f"read by nobody: {', '.join(counts.unread)}"


def _many(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _first(counts: DataCounts) -> str:
    more = ["…"] if counts.bad > len(counts.bad_places) else []
    return f" ({'; '.join([*counts.bad_places, *more])})" if counts.bad_places else ""


def _reasons(left_out: Mapping[str, int]) -> str:
    most_first = sorted(left_out.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{number:,} {reason}" for reason, number in most_first)
