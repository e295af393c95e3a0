"""What ranks write is what the controller reads."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.contract.counts import DataCounts
from training.contract.errors import ConfigurationError, TrainingError
from training.contract.events import DataRead, Error, Phase, Result, Step, parse
from training.contract.redactor import Redactor
from training.ranks.events import EventLog

RESULT = Result(
    rank=0,
    step=60,
    eval_loss_first=9.0,
    eval_loss_last=0.5,
    weights_sha256="ab",
    saved="/sparkctl/run/adapter",
    tokens=1000,
    seconds=50.0,
)
ERROR = Error(rank=0, code="data_invalid", message="m", help="h", exit_code=78, seconds=1.0)

numbers = st.floats(allow_nan=False, allow_infinity=False)
steps = st.builds(
    Step,
    rank=st.integers(0, 7),
    step=st.integers(0, 2**63 - 1),
    loss=numbers,
    lr=numbers,
    grad_norm=st.none() | numbers,
    tokens_per_second=numbers,
    elapsed=numbers,
)


@given(steps)
def test_an_event_survives_its_line(event: Step) -> None:
    line = event.model_dump_json()
    assert line.startswith('{"event":"step","rank":')
    assert "\n" not in line
    assert parse(line) == event


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_what_is_no_number_is_null(value: float) -> None:
    event = Step(
        rank=0, step=1, total_steps=1, loss=value, lr=0.1, grad_norm=value, tokens=1,
        tokens_per_second=value, elapsed=1.0,
    )  # fmt: skip
    assert json.loads(event.model_dump_json())["loss"] is None
    assert parse(event.model_dump_json()) == event


@pytest.mark.parametrize(
    "line",
    ["", "Loading weights: 100%", '{"event":"dance","rank":0}', '{"event":"step"', '{"a":1}'],
)
def test_other_output_is_not_an_event(line: str) -> None:
    assert parse(line) is None


def test_a_newer_rank_may_say_more() -> None:
    line = '{"event":"phase","rank":1,"name":"loading","elapsed":1.5,"colour":"red"}'
    assert parse(line) == Phase(rank=1, name="loading", elapsed=1.5)


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reader, writer = os.pipe()
    yield reader, writer
    os.close(reader)
    os.close(writer)


def test_the_log_writes_everywhere_and_keeps_the_end_apart(
    pipe: tuple[int, int], tmp_path: Path
) -> None:
    reader, writer = pipe
    ticks = iter([10.0, 12.5, 12.5])
    log = EventLog(writer, rank=0, clock=lambda: next(ticks))
    log.keep_in(str(tmp_path / "run"))
    log.phase("loading")
    assert not (tmp_path / "run/result-rank0.json").exists()
    log.emit(RESULT)
    lines = os.read(reader, 65536).decode().splitlines()
    assert [parse(line) for line in lines] == [Phase(rank=0, name="loading", elapsed=2.5), RESULT]
    assert (tmp_path / "run/metrics-rank0.jsonl").read_text().splitlines() == lines
    assert parse((tmp_path / "run/result-rank0.json").read_text()) == RESULT
    assert sorted(p.name for p in (tmp_path / "run").iterdir()) == [
        "heartbeat-rank0.json",
        "metrics-rank0.jsonl",
        "result-rank0.json",
    ]


def test_another_attempt_appends_and_forgets_the_old_end(
    pipe: tuple[int, int], tmp_path: Path
) -> None:
    _, writer = pipe
    first = EventLog(writer, rank=0)
    first.keep_in(str(tmp_path))
    first.emit(ERROR)
    assert (tmp_path / "result-rank0.json").exists()
    again = EventLog(writer, rank=0)
    again.keep_in(str(tmp_path))
    assert not (tmp_path / "result-rank0.json").exists()
    again.emit(RESULT)
    lines = (tmp_path / "metrics-rank0.jsonl").read_text().splitlines()
    assert [parse(line) for line in lines] == [ERROR, RESULT]


def test_without_a_run_folder_it_still_speaks(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    log = EventLog(writer, rank=3)
    log.keep_in(None)
    log.emit(ERROR)
    assert parse(os.read(reader, 65536).decode()) == ERROR


def test_a_run_folder_of_somebody_else_is_a_configuration_error(
    pipe: tuple[int, int], tmp_path: Path
) -> None:
    reader, writer = pipe
    (tmp_path / "file").touch()
    log = EventLog(writer, rank=0)
    with pytest.raises(ConfigurationError, match="cannot write to") as caught:
        log.keep_in(str(tmp_path / "file/run"))
    assert caught.value.code == "run_dir_unwritable"
    log.emit(ERROR)
    assert parse(os.read(reader, 65536).decode()) == ERROR


def test_no_secret_is_in_what_a_rank_keeps(pipe: tuple[int, int], tmp_path: Path) -> None:
    """Nor a piece of one where a long message is cut; and an event stays an event."""
    reader, writer = pipe
    log = EventLog(writer, rank=0, redact=Redactor(["s3cr3t-key", "saved", "error"]))
    log.keep_in(str(tmp_path))
    log.phase("with s3cr3t-key")
    counts = DataCounts(bad=1, bad_places=("a s3cr3t-key",), left_out={"s3cr3t-key": 1})
    log.emit(DataRead(rank=0, counts=counts, train=1, held_out=1, reused=False, elapsed=1))
    log.failed(TrainingError("crash", f"{'x' * 1995} s3cr3t-key", "not s3cr3t-key"))
    kept = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    said = os.read(reader, 65536)
    assert len(list(tmp_path.iterdir())) == 3
    assert b"s3c" not in kept + said
    error = parse(said.decode().splitlines()[-1])
    assert isinstance(error, Error)
    assert (error.event, error.help, error.message[-6:]) == ("error", "not ***", "xx ***")
    assert len(error.message) <= 2000


def test_a_full_disk_is_an_error_that_the_stream_still_hears(
    pipe: tuple[int, int], tmp_path: Path
) -> None:
    reader, writer = pipe
    (tmp_path / "metrics-rank0.jsonl").symlink_to("/dev/full")
    log = EventLog(writer, rank=0)
    log.keep_in(str(tmp_path))
    with pytest.raises(TrainingError, match=f"no space is left for {tmp_path}/metrics-rank0") as e:
        log.phase("loading")
    assert e.value.code == "disk_full"
    log.failed(e.value)
    told = parse(os.read(reader, 65536).decode().splitlines()[-1])
    assert isinstance(told, Error) and told.code == "disk_full"

    (tmp_path / ".heartbeat-rank0.json.tmp").symlink_to("/dev/full")
    with pytest.raises(TrainingError, match=r"no space is left for .*/heartbeat-rank0"):
        log.beat("loading")
