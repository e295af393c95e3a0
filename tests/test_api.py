"""The doors of `orchestrator.api` that the command line does not show."""

from dataclasses import replace

import pytest

from orchestrator.api.person import Person, Question, Unattended
from orchestrator.errors import DeclinedError, OthersError
from orchestrator.reconcile.other import Other
from orchestrator.reconcile.plan import plan_up
from tests.support.clusters import sparks, world_of

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
