"""What people read: errors in full, one line per change, a run without a terminal."""

import io
from typing import Any

import pytest
from rich.console import Console

from orchestrator.errors import ChangeError, ConnectError, NodeErrors, SparkctlError
from orchestrator.reconcile.events import ChangeDone, ChangeFailed, ChangeStarted
from orchestrator.reconcile.plan import Plan, plan_up
from orchestrator.resources.base import Change
from orchestrator.runs.events import LogLine, NodeBack, NodeSilent, RankEvent, TaskState
from orchestrator.runs.verdict import Outcome
from orchestrator.ui.console import out, show_error
from orchestrator.ui.plan_view import count, progress_lines, show_plan
from orchestrator.ui.run_view import RunView, show_verdict
from tests.runs.folders import rank_event
from tests.support.clusters import cluster, sparks, world_of
from training.contract.events import Result
from training.contract.record import RankPlace

ODD = "[red]not markup[/] [/bin/sh] :smile:"


class Pieces(io.StringIO):
    """Text, and in how many pieces it came."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[str] = []

    def write(self, text: str) -> int:
        self.pieces.append(text)
        return super().write(text)


@pytest.fixture
def file() -> Pieces:
    return Pieces()


@pytest.fixture
def console(file: Pieces) -> Console:
    """The one that commands print to; nobody sits there."""
    console = out()
    console.file = file
    return console


CHANGE = Change("spark-a", "directory:~/x", "create", f"make {ODD}", 1, None, {"present": True})


def test_an_error_is_shown_literally_and_in_full(console: Console, file: Pieces) -> None:
    show_error(SparkctlError(ODD, details=f"{ODD}\nsecond", resolution=f"try {ODD}\nor"), console)
    assert file.getvalue().splitlines() == [
        f"error E000: {ODD}",
        f"    {ODD}",
        "    second",
        f"  → try {ODD}",
        "  → or",
    ]


def test_a_long_line_is_never_wrapped(console: Console, file: Pieces) -> None:
    show_error(SparkctlError("x" * 500, details="y " * 300), console)
    assert len(file.getvalue().splitlines()) == 2


def test_of_several_errors_every_one_is_shown(console: Console, file: Pieces) -> None:
    show_error(NodeErrors([ConnectError("a is off"), ChangeError("b broke")]), console)
    assert file.getvalue().splitlines() == ["error E200: a is off", "error E500: b broke"]


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (ChangeStarted(CHANGE), ""),
        (ChangeDone(CHANGE, 1.25), f"✓ spark-a    directory       make {ODD} (1.2 s)\n"),
        (
            ChangeFailed(CHANGE, ChangeError(ODD)),
            f"✗ spark-a    directory       make {ODD}: {ODD}\n",
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_change_is_one_line_in_one_piece(
    event: Any, expected: str, console: Console, file: Pieces
) -> None:
    """Nodes are changed in parallel: two pieces would mix with those of another node."""
    progress_lines(console)(event)
    assert file.getvalue() == expected
    assert len(file.pieces) == (1 if expected else 0)


def test_a_plan_is_grouped_by_machine_with_its_notes(console: Console, file: Pieces) -> None:
    show_plan(
        plan_up(sparks(2), world_of(sparks(2), {"spark-b": {"strangers": ["container [web]"]}})),
        console,
    )
    lines = file.getvalue().splitlines()
    assert [line for line in lines if not line.startswith(" ")] == [
        "spark-a",
        "spark-b",
        "16 changes (14 create, 2 update) on 2 nodes",
    ]
    assert lines[-2].startswith("  ! not sparkctl's: spark-b: container [web]: stops")


def test_what_stays_is_told_also_when_nothing_changes(console: Console, file: Pieces) -> None:
    show_plan(Plan("desk", "down", (), kept=("spark-a: ~/x [y] is not empty and stays",)), console)
    assert file.getvalue().splitlines() == [
        "  = spark-a: ~/x [y] is not empty and stays",
        "no changes",
    ]


def test_one_change_is_not_several() -> None:
    steps = plan_up(sparks(1), world_of(cluster({"nodes": ["spark-a"]}))).steps[:1]
    assert count(Plan("desk", "up", steps)) == "1 change (1 create) on 1 node"


def ranks(count_: int) -> list[RankPlace]:
    return [
        RankPlace(rank=n, node=node, address="", interface="", folder="/sparkctl/runs/run-1")
        for n, node in enumerate(("spark-a", "spark-b")[:count_])
    ]


def test_a_run_without_a_terminal_is_told_in_lines(console: Console, file: Pieces) -> None:
    with RunView(console, ranks(2)) as view:
        view.on_event(TaskState(1, "running", None))
        view.on_event(TaskState(1, "failed", f"exit {ODD}"))
        view.on_event(LogLine(0, "is not shown"))
        for rank in (0, 1):  # of what all say alike, one line
            view.on_event(rank_event("start", rank, packing="passes are packed: 9 steps of many"))
        view.on_event(rank_event("phase", 0, name="train"))
        for step in range(1, 22):
            pace = None if step == 20 else 1234.5
            loss = None if step == 10 else 2.5
            view.on_event(
                rank_event("step", 0, step=step, total_steps=21, loss=loss, tokens_per_second=pace)
            )
        view.on_event(rank_event("eval", 0, loss=1.25, step=21))
        view.on_event(rank_event("eval", 0, loss=None, step=0))
        view.on_event(rank_event("resumed", 0, step=20, passed_over=[30]))
        view.on_event(rank_event("resumed", 0, step=20, passed_over=[]))
        view.on_event(rank_event("saved", 0, step=21, bytes=2_500_000, seconds=0.25))
        view.on_event(rank_event("saved", 1, step=21, bytes=2_500_000, seconds=0.25))
        view.on_event(rank_event("error", 1, message=ODD))
        for rank in (0, 1):
            ended = rank_event(
                "ended", rank, attempt=2, end="lost", step=7, code="lost", message=ODD
            )
            view.on_event(RankEvent(rank, ended.event.model_copy(update={"rank": 1})))
        view.on_event(NodeSilent("spark-b", ODD))
        view.on_event(NodeBack("spark-b"))
    lines = file.getvalue().splitlines()
    assert lines[:3] == [
        "rank 1 spark-b  running",
        f"rank 1 spark-b  failed: exit {ODD}",
        "rank 0 spark-a  world size 2, sharded, 1,000 of 2,000 base parameters here",
    ]
    assert [line for line in lines if "packed" in line] == [
        "rank 0 spark-a  passes are packed: 9 steps of many"
    ]
    steps = [line.split("  ")[1] for line in lines if " step " in line and "loss" in line]
    assert [s for s in steps if s.startswith("step")] == [
        "step 1/21",
        "step 10/21",
        "step 20/21",
        "step 21/21",
    ]
    assert "  ETA " in next(line for line in lines if "step 10/21" in line)
    assert "rank 0 spark-a  held-out loss 1.2500 at step 21" in lines
    assert "rank 0 spark-a  held-out loss not a number at step 0" in lines
    assert "step 10/21  loss not a number  1,234 tok/s" in file.getvalue()
    assert "step 20/21  loss 2.5000  - tok/s" in file.getvalue()
    assert lines[-7:] == [
        "rank 0 spark-a  resumes after step 20 (not all ranks have 30)",
        "rank 0 spark-a  resumes after step 20",
        "rank 0 spark-a  saved at step 21 (2.5 MB a rank in 0.2 s)",
        f"rank 1 spark-b  error: {ODD}",
        f"rank 0 spark-a  attempt 2 lost at step 7: rank 1 {ODD}",
        f"spark-b does not answer ({ODD})",
        "spark-b answers again",
    ]


def test_what_came_of_the_rows_is_told_once(console: Console, file: Pieces) -> None:
    counts = {
        "rows": 1204, "left_out": {"empty answer": 2, "too long": 1}, "cut": 12, "endless": 4,
        "bad": 7, "bad_places": [f"mine.jsonl:3: {ODD}"], "unread": ["thinking"],
        "sequences": 1194, "tokens": 90000, "learned": 4000, "longest": 512,
    }  # fmt: skip
    with RunView(console, ranks(2)) as view:
        for rank in (0, 1):
            view.on_event(rank_event("data", rank, counts=counts, train=1146, held_out=48))
        view.on_event(rank_event("data", 0, reused=True))
    told = " ".join(file.getvalue().split())
    assert (
        f"rank 0 spark-a data: 1,204 rows, 7 bad (mine.jsonl:3: {ODD}; …), 3 left out "
        "(2 empty answer, 1 too long), 12 cut: 4 lose the end of their answer (raise "
        "data.max_length); 1,194 sequences of 90,000 tokens, 4,000 learned, the longest 512; read "
        "by nobody: thinking; 1,146 to train on, 48 held out rank 0"
    ) in told
    assert told.endswith("10 to train on, 2 held out (tokens of an earlier start)")
    assert told.count("data:") == 2


def test_what_is_adapted_is_told_once(console: Console, file: Pieces) -> None:
    left_out = ["2 router (gate)", "1 output layer (lm_head)"]
    begins = {"init_from": "org/adapter", "trained_on": "org/base"}
    with RunView(console, ranks(2)) as view:
        for rank in (0, 1):
            view.on_event(rank_event("adapts", rank, layers=7, of=9, left_out=left_out, **begins))
        view.on_event(rank_event("adapts", 0, layers=7, of=7))
        view.on_event(rank_event("adapter", 0, step=20, folder="/run/adapters/step-20", kept=[20]))
    told = " ".join(file.getvalue().split())
    assert told.count("adapts 7 of") == 2
    assert "adapts 7 of 9 linear layers (without 2 router (gate); 1 output layer (lm_head))" in told
    assert "; starts from org/adapter, trained on org/base" in told
    assert "adapts 7 of 7 linear layers rank 0" in told
    assert "adapter of step 20 in /run/adapters/step-20" in told


def test_a_success_says_which_step_was_kept(console: Console, file: Pieces) -> None:
    one = result(step=40, kept_step=30, ended_early=True)
    show_verdict(Outcome("run-1", "succeeded", "", results=(one,)), ranks(1), console)
    assert "ended early    after step 40: the held-out loss fell no more" in file.getvalue()
    assert "saved          is step 30, the lowest held-out loss" in file.getvalue()
    show_verdict(Outcome("run-1", "succeeded", "", results=(result(),)), ranks(1), console)
    assert file.getvalue().count("is step") == file.getvalue().count("ended early") == 1


def result(**fields: Any) -> Result:
    event = rank_event("result", 0, saved="/run/adapter", **fields).event
    assert isinstance(event, Result)
    return event


def test_a_success_shows_the_losses_and_where_the_adapter_is(
    console: Console, file: Pieces
) -> None:
    one = result(eval_loss_first=4.0, eval_loss_last=1.0)
    show_verdict(Outcome("run-1", "succeeded", "", results=(one,) * 2), ranks(2), console)
    text = file.getvalue()
    assert "4.0000 -> 1.0000 (0.25 of it)" in text
    assert "abababababababab…, the same on all 2 ranks" in text
    assert "/sparkctl/runs/run-1/adapter" in text


def test_a_success_tells_the_most_memory_of_any_rank(console: Console, file: Pieces) -> None:
    both = (
        result(memory={"host": 2**31, "allocated": 3 * 2**30, "reserved": 4 * 2**30}),
        result(memory={"host": 2**30, "allocated": 4 * 2**30, "reserved": 5 * 2**30}),
    )
    show_verdict(Outcome("run-1", "succeeded", "", results=both), ranks(2), console)
    told = "peak memory    host 2.0 GiB, allocated 4.0 GiB, reserved 5.0 GiB\n"
    assert told in file.getvalue()
    show_verdict(Outcome("run-1", "succeeded", "", results=(result(),)), ranks(1), console)
    assert file.getvalue().count("peak memory") == 1


@pytest.mark.parametrize(
    ("first", "last", "said"),
    [
        (None, None, ""),
        (None, 1.0, "held-out loss  not a number -> 1.0000\n"),
        (1.0, None, "held-out loss  1.0000 -> not a number\n"),
        (0.0, 1.0, "held-out loss  0.0000 -> 1.0000\n"),
    ],
)
def test_a_success_is_shown_whatever_the_losses_are(
    console: Console, file: Pieces, first: float | None, last: float | None, said: str
) -> None:
    one = result(eval_loss_first=first, eval_loss_last=last)
    show_verdict(Outcome("run-1", "succeeded", "", results=(one,)), ranks(1), console)
    assert said in file.getvalue()
    assert ("held-out" in file.getvalue()) == bool(said)
    show_verdict(Outcome("run-1", "succeeded", ""), ranks(1), console)
