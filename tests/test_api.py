"""The doors of `orchestrator.api` that the command line does not show."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.api.cluster import Cluster
from orchestrator.api.person import Person, Question, Unattended
from orchestrator.api.runs import Running
from orchestrator.errors import ConnectError, DeclinedError, OthersError
from orchestrator.node.node import Node
from orchestrator.reconcile.other import Other
from orchestrator.reconcile.plan import plan_up
from orchestrator.runs.launch import prepare
from orchestrator.runs.run import Run
from orchestrator.spec.load import load_stack
from orchestrator.testing.connection import FakeConnection
from tests.support.clusters import sparks, world_of
from training.contract.record import RunRecord

PLAN = plan_up(sparks(2), world_of(sparks(2)))
QUESTION = Question("delete", "Delete it?")


def test_without_a_person_everything_is_declined() -> None:
    nobody: Person = Unattended()
    assert nobody.sudo_password() is None
    assert nobody.passphrase("~/.ssh/id") is None
    with pytest.raises(DeclinedError, match="nobody is there to ask"):
        nobody.approve(PLAN)
    with pytest.raises(DeclinedError) as declined:
        nobody.agree(QUESTION)
    assert "Unattended(allowed={'delete'})" in str(declined.value.resolution)


def test_what_was_allowed_is_agreed_to_and_nothing_else() -> None:
    Unattended({"delete"}).agree(QUESTION)
    Unattended({"changes"}).approve(PLAN)
    with pytest.raises(DeclinedError):
        Unattended({"delete"}).approve(PLAN)
    others = replace(PLAN, others=(Other("spark-a", "container", "shop", "stops"),))
    with pytest.raises(OthersError):
        Unattended({"changes"}).approve(others)
    Unattended({"changes", "others"}).approve(others)


def test_what_needs_every_machine_names_the_one_that_is_away(record: RunRecord) -> None:
    """Not a KeyError of the manager's name, and nothing is done on the others."""
    off = ConnectError("spark-a does not answer", node="spark-a")
    node = Node("spark-b", FakeConnection(pytest.fail))
    cluster = Cluster(sparks(2), {"spark-b": node}, {"spark-a": off}, Unattended({"delete"}))
    run = Run(record, {}, (), {})
    stack = load_stack("tiny-llama-lora")
    tries: list[Callable[[], object]] = [
        lambda: next(cluster.plans("up")),
        lambda: cluster.locks,
        lambda: cluster.runs.prepare(stack),
        lambda: cluster.runs.prepare_resume(run),
        lambda: cluster.runs.start(prepare(sparks(2), stack, None)),
        lambda: cluster.runs.running(run),
        lambda: cluster.runs.follow(Running(record, {})),
        lambda: cluster.runs.stop(run),
        lambda: cluster.runs.fetch(run, Path("nowhere")),
        lambda: cluster.runs.delete(run),
    ]
    for one in tries:
        with pytest.raises(ConnectError) as caught:
            one()
        assert caught.value is off


@pytest.fixture
def record() -> RunRecord:
    return prepare(sparks(2), load_stack("tiny-llama-lora"), None).record
