"""What of a table is shown in how many columns: nothing of a name is ever cut."""

import io
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from orchestrator.runs.run import Unreadable
from orchestrator.runs.summary import RankReport, RunReport
from orchestrator.ui.columns import Column, parts, tables
from orchestrator.ui.console import PlainConsole
from orchestrator.ui.report import NodeReport
from orchestrator.ui.runs_view import show_runs
from orchestrator.ui.status_view import show_status
from tests.support.generated import Generated

LONG = "a-machine-whose-name-is-forty-letters-x1"
WIDTHS = (60, 80, 100, 160)
NAMES = {
    "one": ["spark-a"],
    "two": ["spark-a", "spark-b"],
    "six": [f"spark-{letter}" for letter in "abcdef"],
    "long": [LONG, "b"],
}


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(1, 40)), min_size=1, max_size=12),
    st.integers(1, 200),
)
def test_every_column_is_in_one_part_and_a_part_fits_if_it_can(
    columns: list[tuple[int, int]], width: int
) -> None:
    ranks, widths = [rank for rank, _ in columns], [size for _, size in columns]
    found = parts(ranks, widths, width)
    assert sorted(n for part in found for n in part[1:]) == list(range(1, len(columns)))
    for part in found:
        assert part[0] == 0 and list(part) == sorted(part)
        used = sum(widths[n] for n in part) + 2 * (len(part) - 1)
        assert used <= width or len(part) <= 2
    for before, after in pairwise(found):
        most = min(after[1:], key=lambda n: (ranks[n], n))
        sooner = [n for n in before[1:] if (ranks[n], n) < (ranks[most], most)]
        assert widths[0] + sum(widths[n] + 2 for n in (*sooner, most)) > width


def test_the_most_important_come_first_and_stand_in_their_order() -> None:
    assert parts([0, 3, 1, 2], [5, 5, 5, 5], 19) == [(0, 2, 3), (0, 1)]
    assert parts([0, 3, 1, 2], [5, 5, 5, 5], 26) == [(0, 1, 2, 3)]
    assert parts([0], [5], 1) == [(0,)]


def test_a_wide_character_takes_two_columns() -> None:
    columns = (Column("N", 0), Column("A", 1), Column("B", 2))
    rows = [["스파크", "값", "b"]]
    assert [part for part, _ in tables(columns, rows, 12)] == [(0, 1), (0, 2)]
    assert [part for part, _ in tables(columns, rows, 13)] == [(0, 1, 2)]


def node(name: str, number: int, run: str | None) -> NodeReport:
    return NodeReport(
        name=name, reachable=True, error=None, engine="28.5.1", gpus=["GPU-1"],
        gpu_name="NVIDIA GB10", driver="580.95.05",
        swarm_role="worker" if number else "manager", swarm_state="ready",
        fabric=f"enp1s0f1np1 192.168.100.{10 + number}",
        memory_available_bytes=90 * 2**30, memory_bytes=119 * 2**30,
        gpu_utilization_percent=None if number else 97.0, gpu_power_watts=71.4,
        gpu_temperature_celsius=68.0, runs=[f"{run}_rank{number}.1.x7c"] if run else [],
    )  # fmt: skip


def drawn(rows: list[NodeReport], width: int) -> list[str]:
    console = PlainConsole(file=io.StringIO(), width=width)
    show_status(rows, console)
    assert isinstance(console.file, io.StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def status(which: str, run: str | None) -> list[NodeReport]:
    rows = [node(name, number, run) for number, name in enumerate(NAMES[which])]
    if which == "six":
        rows[-1] = NodeReport.unread(rows[-1].name, None)
    return rows


CASES = [(which, run) for which in NAMES for run in (None, "llama3-70b-lora-0a1b2c")]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(("which", "run"), CASES)
def test_a_status_fits_and_says_all(width: int, which: str, run: str | None) -> None:
    rows = status(which, run)
    lines = drawn(rows, width)
    least = max(len(row.name) for row in rows) + 2 + len(run or "")  # names alone may need more
    assert all(cell_len(line) <= max(width, least) for line in lines)
    text = "\n".join(lines)
    assert "…" not in text
    for row in rows:
        assert row.name in text.split()
        assert row.fabric is None or set(row.fabric.split()) < set(text.split())
    assert run is None or text.split().count(run) == sum(bool(row.runs) for row in rows)
    assert ("unreachable" in text) == (which == "six")


def test_the_status_in_these_widths(generated: Generated) -> None:
    text = []
    for width in WIDTHS:
        for which, run in CASES:
            text += [f"== {which}, {width} columns, {'a run' if run else 'no run'}"]
            text += [*drawn(status(which, run), width), ""]
    generated("tests/golden/status.txt", "\n".join(text))


def run_of(name: str, nodes: list[str], size: int, **fields: object) -> RunReport:
    ranks = [
        RankReport(rank=number, node=node, task=None, phase=None, step=1, tokens_per_second=None,
                   memory_available=None, bytes=size)
        for number, node in enumerate(nodes)
    ]  # fmt: skip
    given: dict[str, object] = {
        "run": name, "stack": "s", "state": "succeeded", "step": 200, "total_steps": 1000,
        "created": datetime(2026, 11, 24, 23, 33, tzinfo=UTC), "loss": 1.25, "eval_loss": None,
        "tokens_per_second": 1234.0, "attempts": 1, "image": "i", "ranks": ranks, "losses": [],
        "verdict": None,
    }  # fmt: skip
    return RunReport.model_validate(given | fields)


SEOUL = ZoneInfo("Asia/Seoul")
BROKEN = Unreadable("odd-run", "its record is missing (spark-b)", {"spark-a": 2**30, "spark-b": 5})


def listed(runs: list[RunReport], width: int) -> list[str]:
    console = PlainConsole(file=io.StringIO(), width=width)
    show_runs(runs, console, [BROKEN], zone=SEOUL)
    assert isinstance(console.file, io.StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def some_runs() -> list[RunReport]:
    return [
        run_of("llama3-70b-lora-0a1b2c", NAMES["two"], 141 * 2**30, state="running"),
        run_of("tiny-llama-lora-0a1b2c", NAMES["six"], 1500, tokens_per_second=None, loss=None),
        run_of("a-stack-whose-name-has-forty-letters-in-0a1b2c", [LONG], 3 * 2**20),
    ]


@pytest.mark.parametrize("width", WIDTHS)
def test_a_list_of_runs_fits_and_names_what_it_leaves_out(width: int) -> None:
    runs = some_runs()
    lines = listed(runs, width)
    assert all(cell_len(line) <= width for line in lines[: len(runs) + 2])
    for run in runs:
        (line,) = [line for line in lines if line.startswith(run.run)]
        assert f" {run.state}" in line
    titles = lines[0]
    left_out = next((line for line in lines if line.startswith("not in ")), "")
    for title in ("STATE", "STEP", "LOSS", "TOK/S", "SIZE", "STARTED (KST)", "NODES"):
        assert (title in titles) != (title in left_out)
    assert "odd-run is unreadable: its record is missing (spark-b)" in lines


def test_the_list_of_runs_in_these_widths(generated: Generated) -> None:
    text = [line for w in WIDTHS for line in (f"== {w} columns", *listed(some_runs(), w), "")]
    generated("tests/golden/runs-list.txt", "\n".join(text))


def test_a_time_at_the_end_of_the_calendar_is_shown_as_it_is() -> None:
    """A node may write any."""
    old = run_of("old", ["spark-a"], 1, created=datetime.min.replace(tzinfo=UTC))
    west = timezone(timedelta(hours=-9))
    console = PlainConsole(file=io.StringIO(), width=160)
    show_runs([old], console, zone=west)
    assert isinstance(console.file, io.StringIO)
    assert "01-01 00:00" in console.file.getvalue()
