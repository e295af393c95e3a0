"""Lines of a rank's log become events, whatever chunks they come in."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.runs import logs
from orchestrator.runs.events import LogLine, RankEvent, parse_line
from orchestrator.runs.logs import Piece, seen, shortened
from tests.runs.folders import EVENTS, event
from training.contract.events import Eval


@given(st.text(max_size=40), st.integers(0, 9))
def test_any_line_is_an_event_or_text(line: str, rank: int) -> None:
    parsed = parse_line(rank, line)
    assert parsed == LogLine(rank, line) or isinstance(parsed, RankEvent)


@pytest.mark.parametrize("kind", EVENTS)
def test_an_event_line_is_its_event(kind: str) -> None:
    parsed = parse_line(3, event(kind, 3))
    assert isinstance(parsed, RankEvent) and parsed.event.event == kind
    told = parsed.event.model_dump(mode="json", exclude_unset=True)
    for name, value in json.loads(json.dumps(EVENTS[kind])).items():
        assert told[name] == value


UNFIT = [
    '{"event": "step", "step": 1',
    '{"event"}',
    '{"events": []}',
    'x {"event": "step"}',
    '["event"]',
    "",
    '{"event":"step"}',  # as structlog has it, and any other library
    '{"event":"start","level":"info"}',
    '{"event":"ended","logger":"x"}',
    '{"event":"verdict"}',
    '{"event":"a kind of the future","rank":0}',
    '{"event":7}',
    event("step", 0, step="many"),
    event("step", 0, step=-1),
    event("step", 0).replace('"step":1', '"step":1' + "9" * 5000),
    event("saved", 0, seconds=float("inf")),
    event("step", 1),  # of another rank
]


@pytest.mark.parametrize("line", UNFIT)
def test_what_only_looks_like_an_event_is_text(line: str) -> None:
    assert parse_line(0, line) == LogLine(0, line)


def test_a_newer_event_s_fields_are_passed_over_and_a_null_is_a_loss() -> None:
    parsed = parse_line(0, event("eval", 0, loss=None, of_the_future=[1]))
    assert isinstance(parsed, RankEvent) and isinstance(parsed.event, Eval)
    assert parsed.event.loss is None
    assert parse_line(0, '{"event":"eval","rank":0,"step":0,"loss":NaN,"elapsed":1}') == RankEvent(
        0, Eval(rank=0, step=0, loss=None, elapsed=1)
    )


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


def test_a_line_without_end_is_read_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A look that brings nothing but the middle of a line goes on after it."""
    monkeypatch.setattr(logs, "_PIECE", 10)
    content, lines, offset, more = b"2026 " + b"x" * 32 + b"\nend\n", list[str](), 0, True
    while more:
        piece = seen(base64.b64encode(content[offset : offset + 10]).decode() + "\n\n", offset)
        lines += piece.lines
        offset, more = piece.offset, piece.more
    assert "".join(lines) == "2026 " + "x" * 32 + "end"
    assert offset == len(content)


def test_a_long_line_is_cut_where_it_is_shown() -> None:
    assert shortened("x" * 70_000).endswith("x… (4464 more characters)")
    assert shortened("x" * 100) == "x" * 100
