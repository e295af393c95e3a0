"""Engines that are not ours: their lines become events, and exit codes are judged with care."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from tests.support.ranks.supervised import DEADLINE, Gang
from training.contract.events import Phase, Resumed, Saved, Step, parse
from training.contract.verdict import RESTS_ON
from training.gang.engine import EngineConfig, Line
from training.gang.patterns import Patterns

RANK = Path(__file__).with_name("rank_of_another_engine.py")
LINES = [
    {"event": "step", "pattern": r"step=(?P<step>\d+)/(?P<total_steps>\d+) loss=(?P<loss>\S+)"},
    {"event": "saved", "pattern": r"^saved (?P<step>\d+)$"},
    {"event": "resumed", "pattern": r"begins after (?P<step>[1-9]\d*)"},
]
RESULT = {
    "event": "result", "rank": 0, "step": 4, "eval_loss_first": None, "eval_loss_last": None,
    "weights_sha256": "aa", "saved": None, "tokens": 0, "seconds": 1.0,
}  # fmt: skip


@pytest.fixture
def reader(tmp_path: Path) -> Patterns:
    engine = EngineConfig.model_validate({"proof": "exit code", "lines": LINES, "total_steps": 9})
    return Patterns(engine, 1, tmp_path, lambda _: None, clock=lambda: 2.0)


def test_lines_become_events_and_files(tmp_path: Path, reader: Patterns) -> None:
    said: list[str] = []
    reader.log_line = said.append
    reader.begin()
    step = reader.line("INFO | step=3/7 loss=0.5")
    assert isinstance(step, Step)
    assert (step.rank, step.step, step.total_steps, step.loss, step.elapsed) == (1, 3, 7, 0.5, 0)
    assert said == [step.model_dump_json()] and parse(said[0]) == step
    beat = json.loads((tmp_path / "heartbeat-rank1.json").read_text())
    assert (beat["phase"], beat["step"], beat["pid"]) == ("training", 3, None)
    assert isinstance(reader.line("saved 4"), Saved)
    assert isinstance(reader.line("rank 1 begins after 4"), Resumed)
    kept = (tmp_path / "metrics-rank1.jsonl").read_text().splitlines()
    assert [type(parse(line)) for line in kept] == [Phase, Step, Saved, Resumed]


@pytest.mark.parametrize(
    ("text", "loss"), [("step=3/7 loss=nan", None), ("step=3/7 loss=1e-3,", "none"), ("x", "none")]
)
def test_what_is_no_number_is_no_event(reader: Patterns, text: str, loss: object) -> None:
    reader.begin()
    event = reader.line(text)
    assert (event.loss if isinstance(event, Step) else "none") == loss


def test_an_event_of_ours_is_read_and_not_said_again(reader: Patterns) -> None:
    reader.log_line = pytest.fail
    reader.begin()
    event = Phase(rank=1, name="loading", elapsed=1.0)
    assert reader.line(event.model_dump_json()) == event


@pytest.mark.parametrize(
    ("event", "pattern", "words"),
    [
        ("step", "step=(", "not a regular expression"),
        ("step", r"loss=(?P<loss>\d)", r"it has no group \(\?P<step>"),
        ("step", r"(?P<step>\d)(?P<rank>\d)", "step has no field rank"),
        ("phase", r"(?P<step>\d)", "phase has no field step"),
    ],
)
def test_a_pattern_that_cannot_be_is_refused(event: str, pattern: str, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Line.model_validate({"event": event, "pattern": pattern})


def test_a_phase_may_be_called_like_a_number() -> None:
    config = {"proof": "exit code", "lines": [{"event": "phase", "pattern": "in (?P<name>.+)"}]}
    event = Patterns(EngineConfig.model_validate(config), 0, Path(), print)._matched("in 2")
    assert isinstance(event, Phase) and event.name == "2"


@pytest.mark.parametrize("path", ["/etc/passwd", "../x", ""])
def test_results_are_in_the_run_folder(path: str) -> None:
    with pytest.raises(ValidationError, match="a path in the run folder"):
        EngineConfig.model_validate({"proof": "exit code", "results": [path]})


MakeGang = Callable[..., Gang]


@pytest.fixture
def gang(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeGang]:
    secrets, gangs = tmp_path_factory.mktemp("secrets"), list[Gang]()
    (secrets / "SPARKCTL_NONCE").write_text("of this run alone")

    def make(engine: dict[str, Any] | None = None, plan: Any = None, **config: Any) -> Gang:
        told = {"steps": 4, "pause": 0.02} | (plan or {})
        given = {"proof": "exit code", "lines": LINES} | (engine or {})
        settings = {"memory_floor": 0} | config
        gangs.append(Gang(tmp_path, secrets, RANK, told, settings, engine=given))
        return gangs[-1]

    yield make
    for one in gangs:
        for process in one.processes.values():
            process.kill()
            process.wait()


@pytest.mark.gang
def test_exit_code_0_of_all_is_a_success_that_says_what_it_rests_on(gang: MakeGang) -> None:
    one = gang({"results": ["*.done"]}, {"makes": "it.done"})
    verdicts = one.run()
    assert verdicts[0] == verdicts[1]
    told = verdicts[0]
    assert (told["state"], told["step"], told["attempts"]) == ("succeeded", 4, 1)
    assert told["message"] == RESTS_ON["exit code"]
    said = one.said(1)
    assert "INFO | step=2/4 loss=0.500\n" in said and '{"event":"step","rank":1,"step":2' in said


@pytest.mark.gang
def test_a_rank_that_ends_with_0_waits_for_the_others(gang: MakeGang) -> None:
    one = gang(plan={"end": {number: {"1": [0, 3]} for number in ("1", "2")}})
    verdict = one.run()[0]
    assert (verdict["state"], verdict["rank"], verdict["exit_code"]) == ("failed", 1, 3)


@pytest.mark.gang
def test_a_rank_alone_is_not_even_started(gang: MakeGang) -> None:
    one = gang(join_seconds=1)
    one.start(0)
    assert one.processes[0].wait(timeout=DEADLINE) == 0
    assert (one.verdict(0)["state"], one.verdict(0)["code"]) == ("failed", "rank_missing")
    assert not (one.node(0) / "tries").exists()


@pytest.mark.gang
def test_it_goes_on_where_it_was(gang: MakeGang) -> None:
    one = gang(plan={"end": {"1": {"1": [3, 1]}}})
    verdict = one.run()[0]
    assert (verdict["state"], verdict["attempts"], verdict["step"]) == ("succeeded", 2, 4)
    assert '{"event":"resumed","rank":1,"step":3' in one.said(1)
    assert one.attempts(0)[0]["saved"] in (3, 4)  # rank 0 may have come to its end


@pytest.mark.gang
def test_a_success_without_what_it_should_have_made_is_none(gang: MakeGang) -> None:
    verdict = gang({"results": ["model/*.safetensors"]}).run()[0]
    assert (verdict["state"], verdict["rank"], verdict["code"]) == ("failed", 0, "no_result")
    assert "there is no model/*.safetensors in the run folder" in verdict["message"]


@pytest.mark.gang
def test_who_hangs_is_silent_and_gets_no_signal(gang: MakeGang) -> None:
    """A program that does not know SIGUSR1 dies of it."""
    one = gang(plan={"end": {"1": {"1": [3, "hang"]}}}, silence_seconds=2)
    assert one.run()[0]["state"] == "succeeded"
    first = one.attempts(1)[0]
    assert (first["rank"], first["code"], first["exit_code"]) == (1, "silent", None)
    assert "signal" not in first["message"]


@pytest.mark.gang
@pytest.mark.parametrize(
    ("sums", "code"),
    [(("aa", "aa"), None), (("aa", "bb"), "weights_mismatch"), ((), "no_result")],
)
def test_checked_is_a_result_of_every_rank_and_all_the_same(
    gang: MakeGang, sums: tuple[str, ...], code: str | None
) -> None:
    say = {
        str(rank): [
            json.dumps(RESULT | {"rank": rank, "weights_sha256": sum_}, separators=(",", ":"))
        ]
        for rank, sum_ in enumerate(sums)
    }
    verdict = gang({"proof": "checked"}, {"say": say}).run()[0]
    assert verdict["code"] == code
    assert verdict["state"] == ("failed" if code else "succeeded")
    assert code or verdict["message"] == RESTS_ON["checked"]
