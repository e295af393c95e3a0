"""The pieces of a supervisor: history, judgement, log, health."""

import asyncio
import json
import os
import signal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.lab.wait import until
from tests.support.disks import fill, small_disk
from training.contract.redactor import Redactor
from training.contract.verdict import Attempt, Verdict
from training.gang.child import Child
from training.gang.config import GangConfig
from training.gang.health import LastHeartbeat, Silence, oom_kills
from training.gang.history import AttemptLog, History
from training.gang.judge import attempt_of, first_failure, is_decided, verdict_of
from training.gang.log import RankLog
from training.gang.messages import Ended

CONFIG = GangConfig(attempts=5)


def ended(rank: int, code: str = "crash", step: int = 3, **more: object) -> Ended:
    status = {"succeeded": 0, "stopped": 143, "peer_lost": 75}.get(code, 1)
    given = {"rank": rank, "node": f"node-{rank}", "exit_code": status, "code": code, "step": step}
    return Ended.model_validate(given | more)


def attempt(number: int = 1, end: str = "failed", step: int = 3, **more: object) -> Attempt:
    given = {"attempt": number, "began": "a", "ended": "b", "end": end, "step": step, "saved": 0}
    return Attempt.model_validate(given | more)


def reports(*ends: Ended) -> dict[int, Ended]:
    return {end.rank: end for end in ends}


@pytest.mark.parametrize(
    ("told", "guilty"),
    [
        ([ended(0, "peer_lost"), ended(1)], 1),
        ([ended(0), ended(1)], 0),
        ([ended(1, "lost"), ended(0, "peer_lost")], 1),
        ([ended(0, "silent", 7), ended(1, "silent", 6)], 1),
        ([ended(0, "silent", 7), ended(1, "stuck", 7)], 1),
        ([ended(1, "peer_lost"), ended(0, "peer_lost")], 1),
        ([ended(0, "succeeded"), ended(1, "disk_full")], 1),
        ([ended(0, "disk_full", of_peer=True), ended(1, "disk_full")], 1),
        ([ended(0, "data_mismatch"), ended(1, "data_mismatch")], 0),
    ],
)
def test_who_failed_first(told: list[Ended], guilty: int) -> None:
    first = first_failure(reports(*told))
    assert first is not None and first.rank == guilty


def test_nobody_failed() -> None:
    same = [ended(rank, "succeeded", weights_sha256="x") for rank in (0, 1)]
    assert first_failure(reports(*same)) is None
    assert first_failure(reports(ended(0, "stopped"), ended(1, "stopped"))) is None
    apart = [ended(rank, "succeeded", weights_sha256=str(rank)) for rank in (0, 1)]
    first = first_failure(reports(*apart))
    assert first is not None and first.code == "weights_mismatch"


def test_who_lost_a_peer_is_waited_with() -> None:
    assert not is_decided(reports(ended(0, "peer_lost")), 2)
    assert not is_decided(reports(ended(0, "disk_full", of_peer=True)), 2)
    assert is_decided(reports(ended(0, "peer_lost"), ended(1, "peer_lost")), 2)
    assert is_decided(reports(ended(1)), 2)
    assert not is_decided(reports(ended(0, "succeeded")), 2)


def test_an_attempt_is_as_far_as_its_furthest_rank() -> None:
    told = reports(ended(0, "peer_lost", 4, saved=2), ended(1, "killed", 3, exit_code=137))
    made = attempt_of(2, "a", "b", told, {0: 5})
    assert (made.attempt, made.end, made.step, made.saved) == (2, "failed", 5, 2)
    assert (made.rank, made.node, made.exit_code, made.code) == (1, "node-1", 137, "killed")
    assert attempt_of(1, "a", "b", reports(ended(0, "stopped")), {}).end == "stopped"
    assert attempt_of(1, "a", "b", reports(ended(0, "succeeded")), {}).end == "succeeded"
    assert attempt_of(1, "a", "b", reports(ended(1, "lost")), {}).end == "lost"


def judged(
    made: Attempt, *before: Attempt, asked: bool = False, first: Ended | None = None
) -> str | None:
    verdict = verdict_of("r", made, first, History(before), CONFIG, stop_requested=asked)
    return verdict and verdict.state


@pytest.mark.parametrize(
    ("state", "made", "before"),
    [
        ("succeeded", attempt(end="succeeded"), []),
        (None, attempt(step=1), []),
        ("failed", attempt(step=0), []),
        ("failed", attempt(exit_code=78), []),
        (None, attempt(2, step=4), [attempt(step=3)]),
        ("failed", attempt(2, step=3), [attempt(step=3)]),
        (None, attempt(2, step=3, saved=2), [attempt(step=3)]),
        ("failed", attempt(2, step=2), [attempt(step=3)]),
        (None, attempt(2, end="lost", step=0), [attempt(end="lost", step=0)]),
        (None, attempt(2, end="stopped", step=0), [attempt()]),
        ("failed", attempt(5, end="lost"), [attempt(n, end="lost") for n in range(1, 5)]),
        ("failed", attempt(5, step=9), [attempt(n, step=n) for n in range(1, 5)]),
    ],
)
def test_whether_it_is_tried_again(state: str | None, made: Attempt, before: list[Attempt]) -> None:
    assert judged(made, *before) == state


def test_who_asked_for_an_end_gets_it_but_not_instead_of_a_success() -> None:
    assert judged(attempt(end="stopped"), asked=True) == "stopped"
    assert judged(attempt(end="lost"), asked=True) == "stopped"
    assert judged(attempt(end="succeeded"), asked=True) == "succeeded"


def test_a_verdict_names_the_first_and_says_why_no_more() -> None:
    first = ended(1, message="broke", help="mend", tail=["last"])
    verdict = verdict_of("r", attempt(step=0), first, History(), CONFIG, stop_requested=False)
    assert verdict is not None
    assert (verdict.rank, verdict.node, verdict.tail, verdict.help) == (
        1,
        "node-1",
        ["last"],
        "mend",
    )
    assert verdict.message == "broke (before step 1, so another attempt would not help)"


@pytest.mark.parametrize("code", ["crash", "killed", "lost", "no_result", "silent", "new"])
def test_every_failure_has_a_help(code: str) -> None:
    first = ended(1, code, step=0)
    before = tuple(attempt(n, end="lost") for n in range(1, 5))
    last = attempt(5, end="lost" if code == "lost" else "failed")
    verdict = verdict_of("run-1", last, first, History(before), CONFIG, stop_requested=False)
    assert verdict is not None and verdict.help is not None
    assert "`sparkctl runs resume run-1` resumes from the last checkpoint" in verdict.help


def test_attempts_that_were_all_stopped_from_outside_have_a_help_too() -> None:
    before = tuple(attempt(n, end="stopped") for n in range(1, 5))
    last = attempt(5, end="stopped")
    verdict = verdict_of("run-1", last, None, History(before), CONFIG, stop_requested=False)
    assert verdict is not None
    assert (verdict.state, verdict.code) == ("failed", "stopped")
    assert verdict.message == "its containers were stopped from outside (attempt 5 of 5)"
    assert "docker" in str(verdict.help)


def verdict() -> Verdict:
    return Verdict(run="r", state="failed", step=3, attempts=1, ended="now")


def test_a_history_begins_anew_after_a_verdict(tmp_path: Path) -> None:
    attempt_log = AttemptLog(tmp_path, 1)
    assert (attempt_log.read(), attempt_log.verdict()) == (History(), None)
    attempt_log.begin(1, "a")
    assert attempt_log.read() == History((), (1, "a"))
    attempt_log.end(attempt())
    attempt_log.begin(2, "c")
    attempt_log.end(attempt(2, step=8, saved=6))
    history = attempt_log.read()
    assert (history.made, history.step, history.saved, history.unfinished) == (2, 8, 6, None)
    attempt_log.close(verdict())
    assert attempt_log.read() == History()
    assert json.loads(attempt_log.verdict() or "")["state"] == "failed"
    assert not list(tmp_path.glob("*.tmp"))


@given(cut=st.integers(0, 400), more=st.booleans())
def test_a_line_that_a_power_cut_tore_is_no_attempt(
    tmp_path_factory: pytest.TempPathFactory, cut: int, more: bool
) -> None:
    attempt_log = AttemptLog(tmp_path_factory.mktemp("book"), 0)
    attempt_log.begin(1, "a")
    attempt_log.end(attempt())
    attempt_log.begin(2, "b")
    file = attempt_log.folder / "attempts-rank0.jsonl"
    whole = file.read_bytes()
    file.write_bytes(whole[: min(cut, len(whole))])
    before = attempt_log.read()
    assert before.made in (0, 1, 2) and before.step in (0, 3)
    if more:
        attempt_log.end(attempt(9, step=11))
        assert attempt_log.read().attempts[-1].step == 11
        assert attempt_log.read().attempts[:-1] == before.attempts


def test_no_secret_is_in_the_log(tmp_path: Path) -> None:
    """Also where a secret looks like a piece of an event: that stays what it is, without it."""
    read, write = os.pipe()
    redact = Redactor(["hf_longsecret", "hf_longsecret_and_more", "1234", "training", 'ning","x'])
    log = RankLog(tmp_path / "log", redact, write, lambda: "T")
    given = [
        "token hf_longsecret, or hf_longsecret_and_more; 1234 stays",
        '{"event":"phase","rank":0,"name":"training","x":"hf_longsecret","elapsed":1.0}',
        '{"event":"phase hf_longsecret"}',
    ]
    returned = [log.line(line) for line in given]
    log.close()
    os.close(write)
    with os.fdopen(read) as said:
        lines = said.read().splitlines()
    assert (
        lines
        == returned
        == [
            "token ***, or ***; 1234 stays",
            '{"event":"phase","rank":0,"name":"***","elapsed":1.0}',
            '{"event":"phase ***"}',
        ]
    )
    assert (tmp_path / "log").read_text().splitlines() == [f"T {line}" for line in lines]
    assert list(log.tail) == [lines[0]]


def test_what_a_disk_cannot_take_is_lost_and_said(tmp_path: Path) -> None:
    read, write = os.pipe()
    with small_disk(tmp_path / "disk", 64) as disk:
        fill(disk)
        log = RankLog(disk / "log", Redactor(), write, lambda: "T")
        assert not log.full
        assert log.line("one") == "one"
        log.line("two")
        assert log.full
        (disk / "filler").unlink()
        log.line("three")
        fill(disk)
        for number in range(60):  # the last page of the file still takes some
            log.line(f"{number} {'x' * 100}")
        (disk / "filler").unlink()
        log.line("end")
        log.close()
        lines = (disk / "log").read_text().splitlines()
    os.close(write)
    with os.fdopen(read) as said:
        told = said.read().splitlines()
    assert lines[:2] == ["T 2 lines could not be written here", "T three"]
    lost = 60 - sum(line.endswith(" " + "x" * 100) for line in lines)
    assert lost > 0
    assert lines[-2:] == [f"T {lost} lines could not be written here", "T end"]
    assert [line[:14] for line in told].count("lines are lost") == 2
    assert len(told) == 64 + 2


def test_a_log_has_an_end_but_for_events(tmp_path: Path) -> None:
    log = RankLog(tmp_path / "log", Redactor(), os.open(os.devnull, os.O_WRONLY), lambda: "T", 50)
    event = '{"event":"phase","rank":0,"name":"loading","elapsed":1.0}'
    for line in (*"abcdefghijklmnopq", event, "r"):
        log.line(line)
    log.close()
    lines = (tmp_path / "log").read_text().splitlines()
    assert lines[:13] == [f"T {letter}" for letter in "abcdefghijklm"]
    assert lines[13:] == [
        "T this log is full (0 MiB): only events follow",
        f"T {event}",
        "T 5 lines were left out: this log is full",
    ]
    assert list(log.tail)[-1] == "r"


def test_a_process_is_read_to_its_end_whatever_the_listener_does() -> None:
    async def scenario() -> int:
        def fails(line: str) -> None:
            raise RuntimeError(line)

        child = await Child.start(("sh", "-c", "seq 20000"), os.environ, fails)
        return await asyncio.wait_for(child.wait(), 60)

    assert asyncio.run(scenario()) == 0


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def beat(changed: float, *, training: bool = True) -> LastHeartbeat:
    return LastHeartbeat(step=1, training=training, pid=1, changed=changed)


def test_silence_is_measured_from_the_last_change_and_against_the_longest_pause() -> None:
    clock = Clock()
    silence = Silence(10, clock)
    assert silence.look(None) is None
    assert silence.look(beat(1, training=False)) is None
    clock.now += 1000
    assert silence.look(beat(1, training=False)) is None  # preparing may take hours
    assert silence.look(beat(2)) is None
    clock.now += 10
    assert silence.look(beat(2)) is None
    clock.now += 1
    assert silence.look(beat(2)) == 11
    clock.now += 1
    assert silence.look(beat(3)) is None  # it goes on: 12 s were not too long after all
    clock.now += 59
    assert silence.look(beat(3)) is None
    clock.now += 2
    assert silence.look(beat(3)) == 61


def test_a_beat_is_read_from_its_file(tmp_path: Path) -> None:
    file = tmp_path / "beat"
    assert LastHeartbeat.read(file) is None
    file.write_text("{")
    assert LastHeartbeat.read(file) is None
    file.write_text("[]")
    assert LastHeartbeat.read(file) is None
    file.write_text('{"rank": 0, "step": null, "phase": "loading", "pid": 7}')
    found = LastHeartbeat.read(file)
    assert found is not None and (found.step, found.training, found.pid) == (0, False, 7)


def test_kills_of_the_kernel_are_counted(tmp_path: Path) -> None:
    file = tmp_path / "memory.events"
    assert oom_kills(file) == 0
    file.write_text("low 0\noom 3\noom_kill 2\n")
    assert oom_kills(file) == 2


def test_a_trainer_does_not_outlive_what_started_it() -> None:
    """Nor does its hold on the streams hide that the launcher is dead."""
    launcher = "sleep 600 & echo $!; wait"
    lines: list[str] = []

    async def scenario() -> tuple[int, int]:
        child = await Child.start(("sh", "-c", launcher), os.environ, lines.append)
        ending = asyncio.create_task(child.wait())
        while not lines:
            await asyncio.sleep(0.01)
        trainer = int(lines[0])
        parent = int(Path(f"/proc/{trainer}/stat").read_text().rpartition(")")[2].split()[1])
        while trainer not in child._left._seen:
            await asyncio.sleep(0.01)
        os.kill(parent, signal.SIGKILL)
        return await asyncio.wait_for(ending, 30), trainer

    code, trainer = asyncio.run(scenario())
    assert code == 128 + signal.SIGKILL

    def gone() -> bool:
        try:
            return Path(f"/proc/{trainer}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
        except OSError:
            return True

    until(gone, what="the trainer's end", deadline_seconds=20)
