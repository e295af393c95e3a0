"""A script of somebody's own under real supervisors, launchers and groups, without a lab."""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.ranks.run import free_port
from tests.support.ranks.supervised import Gang
from training.gang.proof import NOT_ONE_GANG, NOT_SHARDED

pytestmark = [pytest.mark.torch, pytest.mark.gang, pytest.mark.patient]

SCRIPTS = Path(__file__).parent / "scripts"
STEPS = 12

MakeGang = Callable[..., Gang]


@pytest.fixture
def gang(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeGang]:
    gangs: list[Gang] = []
    secrets = tmp_path_factory.mktemp("secrets")
    (secrets / "SPARKCTL_NONCE").write_text("of this run alone")

    def make(
        way: str,
        launcher: str = "python",
        sharded: bool = False,
        config: Any = None,
        **environ: str,
    ) -> Gang:
        start = [sys.executable, "-P", "-m", "training.script.start"]
        gangs.append(
            Gang(
                tmp_path, secrets, SCRIPTS / "loop.py", {}, {"memory_floor": 0} | (config or {}),
                command=[*start, str(SCRIPTS), launcher, "loop.py", way, str(STEPS)],
                environ={
                    "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()),
                    "OMP_NUM_THREADS": "1", **environ,
                },
                engine={"proof": "gang", "sharded": sharded, "share_saves": True},
                deadline=180,
            )
        )  # fmt: skip
        return gangs[-1]

    yield make
    for one in gangs:
        for process in one.processes.values():
            process.kill()
            process.wait()


def steps(one: Gang, rank: int) -> list[int]:
    lines = (one.node(rank) / f"metrics-rank{rank}.jsonl").read_text().splitlines()
    events = [json.loads(line) for line in lines]
    return [event["step"] for event in events if event["event"] == "step"]


@pytest.mark.parametrize(
    ("way", "launcher", "words"),
    [
        ("ddp", "torchrun", "2 ranks, gloo, DistributedDataParallel"),
        ("fsdp", "python", "DTensor, FSDPModule, 536 of 1,072 weights on a rank"),
        ("fsdp1", "python", "FullyShardedDataParallel, 536 of 1,072 weights on a rank"),
        ("zero", "python", "2 ranks, gloo, DistributedDataParallel"),
        ("by-hand", "python", "2 ranks, gloo, collectives of its own"),
    ],
)
def test_a_gang_is_proved(gang: MakeGang, way: str, launcher: str, words: str) -> None:
    one = gang(way, launcher, sharded=way.startswith("fsdp"))
    verdict = one.run()[0]
    assert verdict["state"] == "succeeded", one.said(0)
    assert verdict["message"].startswith("proof: gang") and words in verdict["message"]
    assert steps(one, 1) == list(range(1, STEPS + 1)), one.said(0)


@pytest.mark.parametrize(
    ("way", "sharded", "code", "words"),
    [
        ("solo", False, NOT_ONE_GANG, "there is a process group, but up to the optimizer step"),
        ("solo-other-rows", False, NOT_ONE_GANG, "had different gradients"),
        ("alone", False, NOT_ONE_GANG, "at its first optimizer step it had no group"),
        ("ddp", True, NOT_SHARDED, "it holds 1,072 of the model's 1,072 weights"),
    ],
)
def test_solo_trainings_end_as_failed_by_name(
    gang: MakeGang, way: str, sharded: bool, code: str, words: str
) -> None:
    """Unwatched, each of them exits with 0, and its loss falls."""
    verdict = gang(way, sharded=sharded).run()[0]
    assert (verdict["state"], verdict["code"], verdict["attempts"]) == ("failed", code, 1)
    assert words in verdict["message"] and verdict["help"]


def test_without_a_step_of_torch_the_grade_says_so(gang: MakeGang) -> None:
    verdict = gang("no-step").run()[0]
    assert verdict["state"] == "succeeded"
    assert verdict["message"].startswith("proof: exit code")
    assert "an optimizer step of torch was seen on: no rank" in verdict["message"]


def test_killed_it_goes_on_from_what_all_ranks_have(gang: MakeGang) -> None:
    """`trainer_state.json` is written by rank 0 alone, on a disk of its own."""
    one = gang("ddp", DIES="1", config={"backoff_seconds": 0})
    verdict = one.run()[0]
    assert (verdict["state"], verdict["attempts"]) == ("succeeded", 2), one.said(1)
    for rank in (0, 1):
        assert "goes on after 8" in one.said(rank)
        assert (one.node(rank) / "checkpoints/save-8/trainer_state.json").read_text() == "8"
        assert (one.node(rank) / "checkpoints/save-8/rank0.txt").exists()
        assert steps(one, rank)[-4:] == [9, 10, 11, 12]


def test_a_rank_that_hangs_is_found_and_shows_where(gang: MakeGang) -> None:
    one = gang("hangs", config={"silence_seconds": 4, "attempts": 1})
    verdict = one.run()[0]
    assert (verdict["state"], verdict["code"]) == ("failed", "silent")
    assert "time.sleep" not in verdict["message"]
    assert "loop.py" in (one.node(1) / "debug/stacks-rank1.txt").read_text()


def test_a_rank_that_says_nothing_before_step_1_is_ended(gang: MakeGang) -> None:
    verdict = gang("waits", config={"start_seconds": 6, "attempts": 1}).run()[0]
    assert (verdict["state"], verdict["code"]) == ("failed", "silent")
    assert "before step 1" in verdict["message"]


def test_a_script_that_is_not_there_is_named_at_once(gang: MakeGang) -> None:
    one = gang("ddp")
    one.command = [*one.command[:6], "no-such.py"]
    verdict = one.run()[0]
    assert (verdict["code"], verdict["exit_code"], verdict["attempts"]) == ("script_missing", 78, 1)
    assert "no-such.py cannot be read in" in verdict["message"] and "script.file" in verdict["help"]


def test_what_the_witness_cannot_do_ends_no_training(gang: MakeGang) -> None:
    """A torch of another kind, and an output that the script has closed."""
    verdict = gang("odd").run()[0]
    assert verdict["state"] == "succeeded"
    assert verdict["message"].startswith("proof: exit code")


def test_its_own_files_are_beside_it_and_what_it_writes_stays_with_the_run(gang: MakeGang) -> None:
    one = gang("writes")
    one.run()
    work = one.node(0) / "work"
    assert (work / "loop.py").is_symlink()
    assert (work / "written.txt").read_text() == "beside: True; training: mine"
