"""Lines of a rank's log become events, whatever chunks they come in."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.runs.events import LogLine, RankEvent, parse_line
from orchestrator.runs.logs import Piece, by_time, seen
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


@given(st.binary(max_size=60), st.lists(st.integers(1, 60), max_size=6))
def test_looks_at_a_growing_file_bring_every_line_once(content: bytes, grown: list[int]) -> None:
    lines: list[str] = []
    offset = 0
    for size in (*sorted(grown), len(content)):
        data = content[offset : max(size, offset)]
        piece = seen(base64.b64encode(data).decode() + "\n\n", offset)
        lines += piece.lines
        offset = piece.offset
        assert not piece.more
    whole = content[: content.rfind(b"\n") + 1]
    assert offset == len(whole)
    assert lines == whole.decode("utf-8", "replace").split("\n")[:-1]


def test_the_end_of_a_run_comes_with_a_look() -> None:
    encoded = base64.b64encode(b'{"state": "failed"}').decode()
    assert seen(f"\n{encoded}\n", 7) == Piece((), '{"state": "failed"}', 7, more=False)
    assert seen("", 7) == Piece((), None, 7, more=False)


def test_lines_of_all_ranks_by_time() -> None:
    logs = {0: ["01Z one", "03Z", "02Z a clock turned back"], 1: ["02Z two"]}
    assert by_time(logs) == [
        ("01Z", 0, "one"), ("02Z", 0, "a clock turned back"), ("02Z", 1, "two"), ("03Z", 0, ""),
    ]  # fmt: skip
