"""Rows in several processes: the same as in one, in their order, and none outlives the others."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count, islice
from pathlib import Path
from typing import Any

import pytest

from tests.support.clusters import ROOT
from tests.support.tokens import letters
from training.contract.config import Data
from training.contract.errors import ConfigurationError, TrainingError
from training.rows.row import Row
from training.tokens import workers
from training.tokens.chunk import Recipe, tokenise
from training.tokens.prepare import FOLDER, data_set
from training.tokens.workers import FEW, MOST, ROWS, Worker, tokenised

pytestmark = pytest.mark.patient  # starts processes

RECIPE = Recipe(Data(name="mine.jsonl", max_length=16), letters())
DEADLINE = 60


def rows(number: int) -> list[Row]:
    return [
        Row(f"mine.jsonl:{n}", {"prompt": f"{n}", "completion": "b" * (n % 9 + 1)})
        for n in range(number)
    ]


@pytest.mark.parametrize("number", [0, 1, ROWS, FEW, FEW + 1, 7 * ROWS + 5])
def test_they_make_what_one_process_makes(number: int) -> None:
    chunks = list(tokenised(iter(rows(number)), RECIPE))
    whole = tokenise(rows(number), RECIPE)
    assert [word for chunk in chunks for word in chunk.words.tolist()] == whole.words.tolist()
    assert [chunk.counts.rows for chunk in chunks] == [
        min(ROWS, number - at) for at in range(0, number, ROWS)
    ]


@pytest.mark.parametrize(("number", "started"), [(FEW, 0), (FEW + 1, 2)])
def test_few_rows_start_no_process(
    number: int, started: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = []

    class Counted(Worker):
        def __init__(self) -> None:
            begun.append(self)
            super().__init__()

    monkeypatch.setattr(workers, "Worker", Counted)
    monkeypatch.setattr(workers, "processes", lambda: 2)
    list(tokenised(rows(number), RECIPE))
    assert len(begun) == started


@pytest.mark.parametrize(("cores", "expected"), [(1, 1), (4, 4), (128, MOST)])
def test_there_are_as_many_as_cores(
    cores: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)))
    assert workers.processes() == expected


def test_only_a_few_chunks_are_under_way() -> None:
    taken = []

    def endless_rows() -> Iterator[Row]:
        for number in count():
            taken.append(number)
            yield rows(1)[0]

    chunks = tokenised(endless_rows(), RECIPE)
    for done in range(1, 20):
        next(chunks)
        assert len(taken) <= (done + 4 * workers.processes() + 1) * ROWS
    chunks.close()
    assert children(os.getpid()) == []


def test_the_first_bad_row_in_the_order_of_the_rows_is_told() -> None:
    many = rows(6 * ROWS)
    for number in (5 * ROWS, 3 * ROWS + 7, 4 * ROWS):
        many[number] = Row(f"mine.jsonl:{number}", {"prompt": 1, "completion": 2})
    with pytest.raises(ConfigurationError, match=f"mine.jsonl:{3 * ROWS + 7}:"):
        list(tokenised(many, RECIPE))
    assert children(os.getpid()) == []


def test_what_is_nobody_s_mistake_is_a_crash_that_is_told() -> None:
    many: list[Any] = rows(3 * ROWS)
    many[5] = "no row at all"
    with pytest.raises(TrainingError) as told:
        list(tokenised(many, RECIPE))
    assert told.value.code == "crash"
    assert "AttributeError" in told.value.message


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_one_that_is_killed_is_an_error_that_says_so(number: signal.Signals) -> None:
    chunks = tokenised((row for _ in count() for row in rows(1)), RECIPE)
    next(chunks)
    os.kill(children(os.getpid())[0], number)
    with pytest.raises(TrainingError, match=f"was killed by signal {number}") as told:
        for _ in islice(chunks, 100):
            pass
    assert told.value.code == "worker_lost"
    assert children(os.getpid()) == []


@contextmanager
def endless(cache: Path, key: str) -> Iterator["subprocess.Popen[str]"]:
    """Under way, with processes of its own, in a session of its own as Ctrl-C goes to all."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.training.tokens.endless", str(cache), key],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "under way\n"
            yield process
        finally:
            process.kill()


def _all(process: "subprocess.Popen[str]", number: signal.Signals) -> None:
    os.killpg(process.pid, number)


ENDS: dict[str, Callable[["subprocess.Popen[str]"], object]] = {
    "killed": lambda process: process.kill(),
    "asked to end": lambda process: process.terminate(),
    "Ctrl-C": lambda process: _all(process, signal.SIGINT),
}


@pytest.mark.parametrize("end", ENDS)
def test_none_outlives_its_parent_and_nothing_half_is_used(end: str, tmp_path: Path) -> None:
    with endless(tmp_path, "1-ab") as process:
        below = children(process.pid)
        assert len(below) == workers.processes()
        (half,) = (tmp_path / FOLDER).iterdir()
        ENDS[end](process)
        assert process.wait(DEADLINE) != 0
        assert process.stderr is not None
        told = process.stderr.read()
    assert ("KeyboardInterrupt" in told) == (end == "Ctrl-C")
    assert told.count("Traceback") == (end == "Ctrl-C")  # of the workers none
    _until(lambda: not any(map(_runs, below)))
    if half.exists():
        os.utime(half, (1, 1))
    made = data_set("1-ab", RECIPE, lambda: rows(2 * FEW), tmp_path)
    assert (made.reused, made.stored.examples) == (False, 2 * FEW)
    assert [path.name for path in (tmp_path / FOLDER).iterdir()] == ["1-ab"]


def test_a_computer_that_says_only_how_many_cores_there_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As macOS, where data are checked, too."""
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    assert workers.processes() == 3


def test_one_that_waits_does_not_outlive_its_parent_either() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "tests.training.tokens.waiting"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None and process.stdout.readline()
        (below,) = children(process.pid)
        process.kill()
    _until(lambda: not _runs(below))


def test_a_worker_imports_nothing_heavy_and_nothing_from_where_it_runs(tmp_path: Path) -> None:
    (tmp_path / "training").mkdir()
    (tmp_path / "training/__init__.py").write_text("raise SystemExit('the wrong one')")
    code = (
        "import sys, training.tokens.worker\n"
        "print(sorted({'torch', 'transformers', 'datasets', 'trl', 'peft'} & set(sys.modules)))"
    )
    ran = subprocess.run(
        [sys.executable, "-P", "-c", code], cwd=tmp_path, capture_output=True, text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)}, check=False,
    )  # fmt: skip
    assert ran.stdout == "[]\n"


def children(pid: int) -> list[int]:
    """Processes that a process has started, and that run."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    found = [int(child) for task in tasks for child in (task / "children").read_text().split()]
    return [child for child in found if _name(child) == "training.tokens.worker"]


def _name(pid: int) -> str:
    words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    return words[3] if len(words) > 3 else ""


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def _until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end
        os.sched_yield()
