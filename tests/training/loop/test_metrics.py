"""What a step tells of time and memory: arithmetic and files; test_training_run has a real run."""

import json
import os
from pathlib import Path

import pytest

from training.contract.config import Full, Lora
from training.contract.events import Step, parse
from training.contract.memory import memory_available, memory_peak, memory_total
from training.loop.run_totals import RunTotals
from training.loop.step_timer import StepTimer
from training.plan.throughput import model_flops_per_token
from training.ranks.events import EventLog


class Clock:
    """Goes on when it is told to."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_time_counts_once_and_for_the_innermost() -> None:
    clock = Clock()
    phases = StepTimer(clock)
    with phases.measure("data"):
        clock.now += 1
    for _ in range(2):
        with phases.measure("backward"):
            clock.now += 2
            with phases.measure("forward"):
                clock.now += 4
            clock.now += 1
    assert phases.take() == {"data": 1, "backward": 6, "forward": 8}
    assert phases.take() == {}


def test_time_counts_also_when_the_work_fails() -> None:
    clock = Clock()
    phases = StepTimer(clock)
    with pytest.raises(ZeroDivisionError), phases.measure("forward"):
        clock.now += 3
        raise ZeroDivisionError
    assert phases.take() == {"forward": 3}


def test_no_credit_for_computing_again() -> None:
    assert model_flops_per_token(10, Lora(kind="lora")) == 40
    assert model_flops_per_token(10, Full(kind="full")) == 60


def test_memory_is_read_from_the_kernel(tmp_path: Path) -> None:
    file = tmp_path / "numbers"
    file.write_text("MemTotal: 4 kB\nMemAvailable:  3 kB\nVmHWM:\t 2 kB\n")
    assert (memory_total(file), memory_available(file), memory_peak(file)) == (4096, 3072, 2048)
    assert 0 < memory_peak() < memory_total()
    file.write_text("")
    with pytest.raises(ValueError, match="VmHWM"):
        memory_peak(file)


def test_a_sign_of_life_is_replaced_whole(tmp_path: Path) -> None:
    log = EventLog(os.open(os.devnull, os.O_WRONLY), 1, clock=lambda: 0.0)
    log.beat("joining")  # nowhere to leave it yet
    log.keep_in(str(tmp_path))
    log.phase("loading")
    beat = tmp_path / "heartbeat-rank1.json"
    assert json.loads(beat.read_text())["phase"] == "loading"
    first = beat.stat().st_ino
    log.beat("training", 7)
    assert json.loads(beat.read_text()) == {
        "rank": 1, "phase": "training", "step": 7, "pid": os.getpid(), "elapsed": 0.0,
    }  # fmt: skip
    assert beat.stat().st_ino != first
    assert not list(tmp_path.glob(".*"))


def test_a_line_of_an_older_image_is_understood() -> None:
    line = (
        '{"event":"step","rank":0,"step":1,"total_steps":2,"loss":1.0,"lr":0.1,"grad_norm":1.0,'
        '"tokens":5,"tokens_per_second":2.5,"elapsed":3.0}'
    )
    told = parse(line)
    assert isinstance(told, Step) and told.seconds is None and told.tflops is None


def _told(**numbers: object) -> Step:
    return Step.model_validate(
        {"rank": 0, "step": 1, "total_steps": 9, "loss": 1.0, "lr": None, "grad_norm": None,
         "tokens": 1, "tokens_per_second": 1.0, "elapsed": 1.0} | numbers
    )  # fmt: skip


def test_totals_of_an_attempt() -> None:
    totals = RunTotals(log_every=10)
    assert (totals.tokens_per_second, totals.mfu, totals.memory_peak) == (None, None, None)
    assert totals.memory is None
    for pace, share in ((1.0, 0.1), (50.0, 0.2), (60.0, 0.3)):
        seconds = {"data": 0.1, "forward": 1.0}
        if pace == 50:
            seconds |= {"communication": 99.0, "exposed": 9.0}
        memory = {"host": int(pace), "reserved": 70 - int(pace)}
        totals.add(
            _told(tokens_per_second=pace, mfu=share, seconds=seconds, memory_peak=int(pace),
                  memory=memory)
        )  # fmt: skip
    assert (totals.tokens_per_second, totals.mfu, totals.memory_peak) == (50.0, 0.2, 60)
    assert totals.memory == {"host": 60, "reserved": 69}
    assert totals.seconds == {"data": 3.0, "forward": 30.0}
