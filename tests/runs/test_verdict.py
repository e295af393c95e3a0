"""How a run ended, in words."""

from typing import Any

from orchestrator.runs.verdict import believed, broken, outcome_of
from orchestrator.stack.tasks import Task
from tests.runs.folders import ENDED, rank_event
from training.contract.events import Result
from training.contract.verdict import RESTS_ON, Verdict

NODES = {0: "spark-a", 1: "spark-b"}


def verdict(**fields: Any) -> Verdict:
    return Verdict.model_validate({"run": "r", "step": 0, "attempts": 1, "ended": ENDED} | fields)


def test_a_stop_says_how_to_go_on() -> None:
    end = outcome_of(verdict(state="stopped", step=7))
    assert (end.succeeded, end.brief) == (False, "stopped at step 7")
    assert end.resolution and "sparkctl runs resume r" in end.resolution


def test_a_failure_of_a_rank_that_never_came_has_no_node() -> None:
    end = outcome_of(verdict(state="failed", rank=1, message="did not come"))
    assert end.brief == "rank 1 failed at step 0: did not come"


def test_a_success_has_the_results() -> None:
    result = rank_event("result", 0).event
    assert isinstance(result, Result)
    assert outcome_of(verdict(state="succeeded"), [result]).results == (result,)


def test_a_success_of_a_lower_grade_says_what_it_rests_on() -> None:
    assert outcome_of(verdict(state="succeeded")).brief == "succeeded"
    end = outcome_of(verdict(state="succeeded", message=RESTS_ON["exit code"]))
    assert end.succeeded
    assert end.brief.startswith("succeeded (proof: exit code: every rank joined and exited with 0")


def test_a_success_is_for_rank_0_to_tell() -> None:
    """A node speaks for itself only; a failure of the others is told by whoever has seen it."""
    good, bad = verdict(state="succeeded"), verdict(state="failed")
    assert believed({}) is None
    assert believed({0: good, 1: bad}) == good
    assert believed({0: bad, 1: good}) == bad
    assert believed({1: good}) is None
    assert believed({1: good, 2: bad}) == bad
    assert believed({1: good}, first_is_away=True) == good


def test_it_is_over_only_when_all_tasks_were_seen_to_be() -> None:
    dead, runs = Task(0, "failed"), Task(1, "running")
    assert broken("r", NODES, [dead, Task(1, "complete")]).over
    assert not broken("r", NODES, [dead, runs]).over
    assert not broken("r", NODES, []).over


def test_without_supervisors_the_dead_come_before_those_who_wait() -> None:
    waiting = Task(0, "pending", "no suitable node", at="01")
    dead = Task(1, "rejected", "No such image", at="05")
    assert broken("r", NODES, [waiting, dead]).brief == "rank 1 on spark-b rejected: No such image"
    assert broken("r", NODES, [waiting]).brief == "rank 0 on spark-a pending: no suitable node"
    ended = Task(0, "complete", exit_code=0, at="01")
    assert broken("r", NODES, [ended, dead]).brief.startswith("rank 1 on spark-b rejected")
    assert "complete" in broken("r", NODES, [ended]).brief
    assert broken("r", NODES, []).brief == "its services were removed"
    assert broken("r", NODES, [Task(0, "running")]).brief == "its services were removed"
