"""The live picture of a run: what the events make of it."""

import io

import pytest
from rich.cells import cell_len
from rich.console import Console

from orchestrator.runs.events import NodeBack, NodeSilent, RankEvent, TaskState
from orchestrator.ui.run_table import RunTable
from orchestrator.ui.run_view import RunView
from tests.runs.folders import rank_event
from tests.ui.test_shown import ranks


def step(rank: int, number: int, **fields: float | None) -> RankEvent:
    given = {"step": number, "total_steps": 100, "loss": 10.0 - number, "memory_peak": 2**30}
    return rank_event("step", rank, **(given | fields))


def text(table: RunTable) -> list[str]:
    console = Console(file=io.StringIO(), width=160)
    console.print(table)
    assert isinstance(console.file, io.StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def test_a_row_for_every_rank_and_how_far_it_is() -> None:
    now = [0.0]
    table = RunTable(ranks(2), clock=lambda: now[0])
    assert len(text(table)) == 3  # no bar before there is a step
    table.on_event(TaskState(1, "running", None))
    table.on_event(rank_event("phase", 1, name="loading"))
    assert text(table)[2].split() == ["spark-b", "1", "running,", "loading", "0", "-", "-", "-"]
    table.on_event(step(0, 1))
    assert table.eta is None
    now[0] = 8.0
    for number in (2, 3, 4, 5):
        table.on_event(step(0, number, rank_tokens_per_second=1234.0))
    assert table.eta == 190.0  # two seconds a step
    lines = text(table)
    assert "1,234" in lines[1] and "1.0 GiB" in lines[1]
    assert "5/100" in lines[-1] and "ETA 3:10" in lines[-1]
    assert "loss 5.0000 █▆▅▃▁" in lines[-1]


def test_after_a_restart_the_pace_is_measured_anew() -> None:
    now = [0.0]
    table = RunTable(ranks(1), clock=lambda: now[0])
    table.on_event(step(0, 50))
    now[0] = 100.0
    table.on_event(rank_event("resumed", 0, step=40))
    assert table.eta is None
    table.on_event(step(0, 41))
    now[0] = 101.0
    table.on_event(step(0, 42))
    assert table.eta == 58.0


def test_a_machine_that_is_away_is_shown() -> None:
    table = RunTable(ranks(2))
    table.on_event(NodeSilent("spark-b", "gone"))
    assert "does not answer" in text(table)[2]
    table.on_event(NodeBack("spark-b"))
    assert "does not answer" not in "".join(text(table))


def test_a_terminal_sees_the_table_and_what_is_worth_a_line() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, highlight=False, width=160)
    with RunView(console, ranks(2)) as view:
        view.on_event(rank_event("phase", 0, name="loading"))
        for number in range(1, 21):
            view.on_event(step(0, number))
        view.on_event(rank_event("eval", 0, loss=1.5, step=20))
    assert isinstance(console.file, io.StringIO)
    said = console.file.getvalue()
    assert "held-out loss 1.5000 at step 20" in said
    assert "20/100" in said
    assert "step 10/100" not in said


def test_a_loss_that_is_no_number_is_shown() -> None:
    table = RunTable(ranks(1), clock=lambda: 0.0)
    table.on_event(step(0, 1, loss=None))
    assert "loss not a number" in text(table)[-1]
    table.on_event(step(0, 2))
    assert "loss 8.0000" in text(table)[-1]


@pytest.mark.parametrize("width", [40, 60, 80, 100, 160])
def test_it_fits_and_cuts_nothing(width: int) -> None:
    table = RunTable(ranks(2))
    for number in range(1, 60):
        table.on_event(step(0, number, rank_tokens_per_second=1234.0))
    console = Console(file=io.StringIO(), width=width)
    console.print(table)
    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    assert all(cell_len(line.rstrip()) <= width for line in lines)
    said = "\n".join(lines)
    assert "…" not in said
    assert all(word in said for word in ("spark-a", "spark-b", "59/100", "1,234", "1.0 GiB"))
