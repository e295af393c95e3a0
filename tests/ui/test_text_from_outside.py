"""One evil string through every view: a terminal obeys nothing of it, and no line is forged."""

import io
import json
import re
import sys
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import click
import pytest
from rich.console import Console
from rich.table import Table
from rich.text import Text

from orchestrator.cli.asking import confirm
from orchestrator.errors import ChangeError, NodeErrors, SparkctlError
from orchestrator.reconcile.events import ChangeDone, ChangeFailed
from orchestrator.reconcile.plan import Plan, plan_up
from orchestrator.resources.base import Change
from orchestrator.runs.compare import Comparison, Difference
from orchestrator.runs.events import LogLine, NodeBack, NodeSilent, RankEvent, TaskState
from orchestrator.runs.summary import RankReport, RunReport
from orchestrator.runs.verdict import Outcome
from orchestrator.ui.console import PlainConsole, show_error
from orchestrator.ui.dry_run_view import rendered_text, show_dry_run
from orchestrator.ui.logs_view import show_logs
from orchestrator.ui.plain import json_text, one_line, visible
from orchestrator.ui.plan_view import progress_lines, show_plan
from orchestrator.ui.report import NodeReport
from orchestrator.ui.run_json import event_line, print_line
from orchestrator.ui.run_view import RunView, show_verdict
from orchestrator.ui.runs_view import show_comparison, show_runs
from orchestrator.ui.status_view import show_drift, show_status
from tests.runs.test_foresee import dry
from tests.support.clusters import sparks, world_of
from training.contract.events import Error, Phase, Result
from training.contract.record import RankPlace

EVIL = (
    "\x1b[2J\x1b]52;c;ZXZpbA==\x07\x9b31m\x9d0;t\x9c\x7f\r\x08\x0b\x0c\x00\x85"
    "\u202e\u2066\u200b\u061c\ufeff\u2028\U000e0041\ud800[red][/][/x][link=https://evil]\nFORGED"
)
ROOT = Path(__file__).parents[2]
CHANGE = Change(EVIL, EVIL, "update", EVIL, 1, {"text": ""}, {"text": EVIL}, notes=(EVIL,))
PLACES = [RankPlace(rank=0, node=EVIL, address="", interface="", folder=EVIL)]
ROW = NodeReport(
    name=EVIL, reachable=True, error=None, engine=EVIL, gpus=[EVIL], gpu_name=EVIL, driver=EVIL,
    swarm_role="worker", swarm_state=EVIL, fabric=EVIL, memory_available_bytes=1, memory_bytes=1,
    runs=[EVIL],
)  # fmt: skip
AWAY = ROW.model_copy(update={"reachable": False})
RANK = RankReport(
    rank=0, node=EVIL, task=EVIL, phase=EVIL, step=1, tokens_per_second=None, memory_available=None,
    bytes=1,
)  # fmt: skip
RUN = RunReport(
    run=EVIL, stack=EVIL, state="lost", created=datetime(2026, 1, 1, tzinfo=UTC), step=1,
    total_steps=1, loss=None, eval_loss=None, tokens_per_second=None, attempts=0, image=EVIL,
    ranks=[RANK], losses=[], verdict=None,
)  # fmt: skip
PHASE = Phase(rank=0, name=EVIL, elapsed=1)
ERROR = Error(rank=0, code=EVIL, message=EVIL, help=EVIL, exit_code=1, seconds=1)
RESULT = Result(
    rank=0, step=1, eval_loss_first=2.0, eval_loss_last=1.0, weights_sha256=EVIL, saved=EVIL,
    tokens=1, seconds=1.0, memory={EVIL: 1},
)  # fmt: skip


def plan() -> Plan:
    step = plan_up(sparks(1), world_of(sparks(1))).steps[0]
    return Plan("desk", "up", (replace(step, change=CHANGE),), kept=(EVIL,))


def watched(console: Console) -> None:
    with RunView(console, PLACES) as view:
        view.on_event(TaskState(0, EVIL, EVIL))
        view.on_event(RankEvent(0, PHASE))
        view.on_event(RankEvent(0, ERROR))
        view.on_event(NodeSilent(EVIL, EVIL))
        view.on_event(NodeBack(EVIL))


def table(console: Console) -> None:
    made = Table(EVIL, title=EVIL)
    made.add_row(EVIL)
    made.add_row(Text(EVIL, style="red"))
    console.print(made)


def error(console: Console) -> None:
    one = ChangeError(EVIL, details=EVIL, resolution=EVIL, node=EVIL)
    show_error(NodeErrors([one, SparkctlError(EVIL)]), console)


VIEWS: dict[str, Callable[[Console], None]] = {
    "error": error,
    "plan": lambda console: show_plan(plan(), console, diffs=True),
    "change done": lambda console: progress_lines(console)(ChangeDone(CHANGE, 1.0)),
    "change failed": lambda console: progress_lines(console)(
        ChangeFailed(CHANGE, ChangeError(EVIL))
    ),
    "status": lambda console: show_status([ROW, AWAY], console),
    "drift": lambda console: show_drift(plan(), console),
    "logs": lambda console: show_logs([("2026-11-24T16:33:36.000000Z", 0, EVIL)], console),
    "watched": watched,
    "verdict": lambda console: show_verdict(
        Outcome(EVIL, "succeeded", EVIL, results=(RESULT,)), PLACES, console
    ),
    "runs": lambda console: show_runs([RUN], console),
    "dry run": lambda console: show_dry_run(
        dry("tiny-llama-lora").model_copy(
            update={"description": EVIL, "secrets": {EVIL: EVIL}, "powers": [EVIL]}
        ),
        console,
    ),
    "comparison": lambda console: show_comparison(
        Comparison((EVIL, EVIL), (Difference(EVIL, (EVIL, EVIL)),), ()), console
    ),
    "table": table,
    "print": lambda console: console.print(EVIL, Text(EVIL), EVIL),
}  # fmt: skip


def test_comments_before_rendered_files_are_comments() -> None:
    found = dry("tiny-llama-lora").model_copy(update={"powers": [EVIL], "secrets": {EVIL: EVIL}})
    head = rendered_text(found).partition("\nconfigs:")[0].splitlines()
    assert not any(line.startswith("FORGED") for line in head)
    assert "\x1b" not in rendered_text(found)


_STYLES = re.compile(r"\x1b\[[0-9;]*m|\x1b\[\?25[lh]|\x1b\[2K|\x1b\[1A|\r")
"""What rich itself sends: colours, the cursor of a live table, the way back to a line's begin."""


@pytest.mark.parametrize("terminal", [False, True], ids=["file", "terminal"])
@pytest.mark.parametrize("view", VIEWS)
def test_a_view_shows_text_as_text(view: str, terminal: bool) -> None:
    file = io.StringIO()
    VIEWS[view](PlainConsole(file=file, force_terminal=terminal, width=2000, legacy_windows=False))
    said = file.getvalue()
    if terminal:
        assert "]52;c" not in re.sub(r"\\x1b\]52;c", "", said)
        assert "\x1b[2J" not in said
        said = _STYLES.sub("", said)
    hidden = {char for char in said if _is_hidden(char)}
    assert not hidden
    assert "\\x1b[2J" in said and "<U+202E>" in said and "[red][/][/x]" in said
    forged = [line for line in said.splitlines() if line.lstrip(" →=!+").startswith("FORGED")]
    # Details of an error and lines of a file are lines by nature: they are indented below ours.
    assert all(line.startswith(("    ", "  → ")) for line in forged)
    assert not forged or view in ("error", "plan")


def _is_hidden(char: str) -> bool:
    return char not in "\n\t" and unicodedata.category(char) in ("Cc", "Cf", "Zl", "Zp", "Cs")


def test_no_hidden_character_is_forgotten() -> None:
    for number in range(sys.maxunicode + 1):
        if _is_hidden(char := chr(number)):
            assert visible(char) != char, f"U+{number:04X}"
    assert visible("a\tb\nü — 漢字 👍 ▁▂▃ مرحبا") == "a\tb\nü — 漢字 👍 ▁▂▃ مرحبا"
    assert one_line("a\nb") == "a\\nb"


@pytest.mark.parametrize("event", [
    LogLine(0, EVIL, EVIL), TaskState(0, EVIL, EVIL), NodeSilent(EVIL, EVIL),
    RankEvent(0, ERROR),
], ids=lambda event: type(event).__name__)  # fmt: skip
def test_json_is_one_safe_line_with_the_same_values(
    event: LogLine, capsys: pytest.CaptureFixture[str]
) -> None:
    print_line(event_line(event))
    line = capsys.readouterr().out
    assert line.count("\n") == 1
    assert not {char for char in line if _is_hidden(char)}
    assert json.loads(line) == event_line(event).model_dump(mode="json")


def test_a_json_document_is_safe_and_still_readable() -> None:
    text = json_text({"a": EVIL, "b": "grün → \U0001f44d"}, indent=2)
    assert not {char for char in text if _is_hidden(char)}
    assert "grün → \U0001f44d" in text
    assert json.loads(text) == {"a": EVIL, "b": "grün → \U0001f44d"}


def test_a_question_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(sys, "stdin", _Terminal())
    monkeypatch.setattr(click, "confirm", lambda text, **_: asked.append(text) or True)
    confirm(f"Delete {EVIL}?", yes=False)
    assert not {char for char in asked[0] if _is_hidden(char)}
    assert "\n" not in asked[0]


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("part", ["cli", "ui"])
def test_nothing_goes_around_the_console(part: str) -> None:
    """JSON and text of commands: one way out each."""
    for file in (ROOT / "orchestrator" / part).glob("*.py"):
        if file.name in ("console.py", "plain.py"):
            continue
        text = file.read_text()
        for way in ("markup", "Console(", "model_dump_json", "json.dumps", "print_exc"):
            assert way not in text, f"{file.name}: {way}"
