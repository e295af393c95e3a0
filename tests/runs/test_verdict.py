"""How a run ended: by what the ranks proved. And which rank it was, when one failed."""

from typing import Any

import pytest

from orchestrator.runs.verdict import DONE, RankRecord, judge

SAME = "a" * 64


def complete(rank: int, sha: str = SAME) -> RankRecord:
    result = {"rank": rank, "weights_sha256": sha}
    return RankRecord(rank, f"spark-{rank}", "complete", exit_code=0, result=result)


def failed(rank: int, at: str, **fields: Any) -> RankRecord:
    record = RankRecord(rank, f"spark-{rank}", "failed", ended_at=f"2026-01-01T00:00:{at}Z")
    for name, value in fields.items():
        setattr(record, name, value)
    return record


def running(rank: int, since: str = "01") -> RankRecord:
    """Swarm's timestamp of a running task is when it began to run."""
    return RankRecord(rank, f"spark-{rank}", "running", ended_at=f"2026-01-01T00:00:{since}Z")


PEER_LOST = {"code": "peer_lost", "message": "rank 0 went away", "help": "start again"}
NO_SPACE = {"code": "no_space", "message": "the disk is full", "help": "make room"}


def test_all_complete_with_the_same_adapter_is_a_success() -> None:
    verdict = judge("run", [complete(0), complete(1)])
    assert verdict.succeeded
    assert [result["rank"] for result in verdict.results] == [0, 1]


def test_different_adapters_are_no_success() -> None:
    """N separate models, each with exit code 0: what this is all about."""
    verdict = judge("run", [complete(0), complete(1, "b" * 64)])
    assert not verdict.succeeded
    assert "they did not train together" in verdict.brief
    assert SAME in str(verdict.details)
    assert "b" * 64 in str(verdict.details)


def test_a_rank_without_a_result_is_no_success() -> None:
    silent = complete(1)
    silent.result, silent.tail = None, ["its last line"]
    verdict = judge("run", [complete(0), silent])
    assert not verdict.succeeded
    assert "rank 1 on spark-1 ended without a result" in verdict.brief
    assert verdict.details == "its last line"


def test_results_without_a_checksum_prove_nothing() -> None:
    ranks = [complete(0), complete(1)]
    for rank in ranks:
        rank.result = {"rank": rank.rank}
    assert not judge("run", ranks).succeeded


@pytest.mark.parametrize("state", sorted(DONE - {"complete"}))
def test_any_other_end_is_no_success(state: str) -> None:
    ended = complete(1)
    ended.state = state
    verdict = judge("run", [complete(0), ended])
    assert not verdict.succeeded
    assert f"rank 1 on spark-1 {state}" in verdict.brief


def test_the_complaint_of_the_rank_is_the_verdict() -> None:
    record = failed(1, "05", complaint=NO_SPACE, tail=["line 1", "line 2"], exit_code=1)
    verdict = judge("run", [complete(0), record])
    assert verdict.brief == "rank 1 on spark-1 failed: the disk is full"
    assert verdict.details == "line 1\nline 2"
    assert verdict.resolution == "make room"


def test_without_a_complaint_exit_code_and_swarm_s_words_are_the_verdict() -> None:
    record = failed(1, "05", exit_code=137, error="task: non-zero exit (137)")
    verdict = judge("run", [complete(0), record])
    assert verdict.brief == "rank 1 on spark-1 failed (exit code 137): task: non-zero exit (137)"
    rejected = RankRecord(0, "spark-0", "rejected", error="No such image")
    assert judge("run", [rejected]).brief == "rank 0 on spark-0 rejected: No such image"


def test_the_rank_that_failed_first_is_named() -> None:
    verdict = judge("run", [failed(0, "06", exit_code=1), failed(1, "05", exit_code=2)])
    assert verdict.brief.startswith("rank 1 on spark-1 failed (exit code 2)")


def test_a_rank_that_only_lost_its_peer_is_not_named() -> None:
    victim, culprit = failed(0, "05", complaint=PEER_LOST), failed(1, "05", complaint=NO_SPACE)
    assert "the disk is full" in judge("run", [victim, culprit]).brief


def test_a_killed_peer_is_named_although_the_victim_s_clock_is_behind() -> None:
    """A killed rank says nothing; timestamps are each machine's own."""
    victim, killed = failed(0, "04", complaint=PEER_LOST), failed(1, "05", exit_code=137)
    assert judge("run", [victim, killed]).brief.startswith(
        "rank 1 on spark-1 failed (exit code 137)"
    )


def test_a_rank_that_still_runs_is_not_named_for_one_that_died() -> None:
    verdict = judge("run", [running(0), failed(1, "09", exit_code=137)])
    assert verdict.brief.startswith("rank 1 on spark-1 failed (exit code 137)")


def test_when_all_lost_a_peer_one_is_named_all_the_same() -> None:
    ranks = [failed(0, "05", complaint=PEER_LOST), failed(1, "04", complaint=PEER_LOST)]
    assert judge("run", ranks).brief == "rank 1 on spark-1 failed: rank 0 went away"


def test_a_rank_that_never_started_is_told_with_swarm_s_reason() -> None:
    waiting = RankRecord(
        1, "spark-1", "pending", error="no suitable node (insufficient resources on 1 node)"
    )
    verdict = judge("run", [running(0), waiting])
    assert "insufficient resources" in verdict.brief
