"""Lines of a rank's log become events, whatever chunks they come in."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.runs.events import LogLine, RankEvent, parse_line
from orchestrator.runs.follow import _lines
from tests.support.strategies import values, words


@given(st.text(max_size=40), st.integers(0, 9))
def test_any_line_is_an_event_or_text(line: str, rank: int) -> None:
    parsed = parse_line(rank, line)
    assert parsed == LogLine(rank, line) or isinstance(parsed, RankEvent)


@given(words, st.dictionaries(words, values, max_size=3))
def test_an_event_line_is_its_event(kind: str, fields: dict[str, Any]) -> None:
    document = {"event": kind} | {k: v for k, v in fields.items() if k != "event"}
    assert parse_line(3, json.dumps(document)) == RankEvent(3, kind, document)


@pytest.mark.parametrize(
    "line",
    [
        '{"event": "step", "step": 1',
        '{"event"}',
        '{"events": []}',
        'x {"event": "step"}',
        '["event"]',
        "",
    ],
)
def test_what_only_looks_like_an_event_is_text(line: str) -> None:
    assert parse_line(0, line) == LogLine(0, line)


@given(st.binary(max_size=60), st.lists(st.integers(0, 60), max_size=6))
def test_chunks_do_not_change_the_lines(content: bytes, cuts: list[int]) -> None:
    edges = sorted({0, len(content), *(cut for cut in cuts if cut < len(content))})
    chunks = [content[a:b] for a, b in pairwise(edges)]
    assert b"".join(chunks) == content
    expected = content.split(b"\n")
    if expected[-1] == b"":
        expected.pop()
    assert list(_lines(iter(chunks))) == [line.decode(errors="replace") for line in expected]
