"""How a run ended, in words."""

from orchestrator.runs.verdict import broken, told
from orchestrator.stack.tasks import Task

NODES = {0: "spark-a", 1: "spark-b"}


def test_a_stop_says_how_to_go_on() -> None:
    verdict = told({"run": "r", "state": "stopped", "step": 7})
    assert (verdict.succeeded, verdict.brief) == (False, "stopped at step 7")
    assert verdict.resolution and "sparkctl runs resume r" in verdict.resolution


def test_a_failure_of_a_rank_that_never_came_has_no_node() -> None:
    verdict = told({"run": "r", "state": "failed", "rank": 1, "step": 0, "message": "did not come"})
    assert verdict.brief == "rank 1 failed at step 0: did not come"


def test_only_a_success_is_one() -> None:
    assert told({"run": "r", "state": "succeeded"}, [{"rank": 0}]).results == ({"rank": 0},)
    assert not told({"run": "r", "state": "something new", "step": 1}).succeeded


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
