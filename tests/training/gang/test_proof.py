"""What the witnesses of a script's ranks have seen, and whether that is a gang. Pure."""

from typing import Any

import pytest

from training.contract.events import Group
from training.gang.messages import Witnessed
from training.gang.proof import NOT_ONE_GANG, NOT_SHARDED, Flaw, GangProof

NUMBERS = {0: 40, 1: 2}
GOOD: dict[str, Any] = {
    "world_size": 2,
    "backend": "gloo",
    "total": 42,
    "collectives": 4,
    "gradients": (0.1, 9.0),
    "wrappers": ("DistributedDataParallel",),
    "parameters": 1000,
    "local_parameters": 1000,
}


def witnessed(rank: int, step: int = 1, **fields: Any) -> Witnessed:
    seen = Group(rank=rank, step=step, elapsed=0.0, **GOOD | fields)  # type: ignore[arg-type]
    return Witnessed(number=NUMBERS[rank], seen=seen)


def flaw(proof: GangProof, *reports: Witnessed) -> Flaw | None:
    found = None
    for report in reports:
        found = found or proof.add(report.seen.rank, report)
    return found


def both(step: int = 1, **fields: Any) -> tuple[Witnessed, Witnessed]:
    return witnessed(0, step, **fields), witnessed(1, step, **fields)


def test_a_gang_is_proved_and_said() -> None:
    proof = GangProof(2, sharded=False)
    assert flaw(proof, *both()) is None
    assert "(2 ranks, gloo, DistributedDataParallel)" in proof.rests_on
    assert proof.rests_on.startswith("proof: gang")


def test_a_sharded_one_counts_its_weights() -> None:
    proof = GangProof(2, sharded=True)
    assert flaw(proof, *both(local_parameters=500, wrappers=("DTensor",), gradients=None)) is None
    assert "DTensor, 500 of 1,000 weights on a rank" in proof.rests_on


@pytest.mark.parametrize(
    ("reports", "rank", "code", "words"),
    [
        ((witnessed(1, world_size=1, total=2),), 1, NOT_ONE_GANG, "2 solo trainings: at its first"),
        ((witnessed(1, world_size=3),), 1, NOT_ONE_GANG, "its group had 3 ranks, the run has 2"),
        ((witnessed(0), witnessed(1, total=2)), 1, NOT_ONE_GANG, "not that of the other ranks"),
        (both(total=None), 0, NOT_ONE_GANG, "not that of the other ranks"),
        (both(collectives=0, wrappers=()), 0, NOT_ONE_GANG, "the ranks exchanged nothing"),
        (
            (*both(wrappers=(), collectives=1), *both(2, wrappers=(), collectives=0)),
            0, NOT_ONE_GANG, "the ranks exchanged nothing",
        ),
        (
            (witnessed(0), witnessed(1, gradients=(0.1, 9.1))),
            0, NOT_ONE_GANG, "different gradients",
        ),
    ],
)  # fmt: skip
def test_what_is_no_gang(reports: tuple[Witnessed, ...], rank: int, code: str, words: str) -> None:
    found = flaw(GangProof(2, sharded=False), *reports)
    assert found is not None and (found.rank, found.code) == (rank, code)
    assert words in found.message


def test_a_model_that_was_to_be_sharded_is_whole() -> None:
    found = flaw(GangProof(2, sharded=True), *both())
    assert found == Flaw(
        0, NOT_SHARDED, "it holds 1,000 of the model's 1,000 weights, so the model is not sharded"
    )
    assert flaw(GangProof(2, sharded=True), *both(local_parameters=540)) is None


def test_gradients_of_other_machines_may_differ_in_their_last_digits() -> None:
    proof = GangProof(2, sharded=False)
    assert flaw(proof, witnessed(0), witnessed(1, gradients=(-0.1, 9.0000001))) is None


def test_without_a_witness_the_grade_is_lower_and_says_why() -> None:
    proof = GangProof(2, sharded=False)
    assert proof.rests_on.startswith("proof: exit code")
    assert "seen on: no rank" in proof.rests_on
    proof.add(1, witnessed(1))
    assert "seen on: 1" in proof.rests_on


def test_what_cannot_be_counted_is_no_failure_and_no_proof() -> None:
    proof = GangProof(2, sharded=False)
    assert flaw(proof, *both(wrappers=(), collectives=None)) is None
    assert proof.rests_on.startswith("proof: exit code")


def test_a_rank_of_one_needs_no_group() -> None:
    proof = GangProof(1, sharded=True)
    assert flaw(proof, witnessed(0, world_size=1, total=40, collectives=0, wrappers=())) is None
    assert "proof: gang" in proof.rests_on
