"""The mark `sample`: as many cases as it says, the same each time, all when all are wanted."""

from collections.abc import Callable

import pytest

from tests.support.sample import left_out

Ran = Callable[[], list[str]]


@pytest.fixture
def ran(request: pytest.FixtureRequest) -> Ran:
    """Names of the cases of `one_of_many` and `another` that a session would run."""

    def cases(name: str, *marks: pytest.MarkDecorator) -> list[pytest.Item]:
        made = []
        for number in range(20):
            item = pytest.Function.from_parent(
                request.node.parent, name=f"{name}[{number}]", callobj=lambda: None
            )
            for mark in marks:
                item.add_marker(mark)
            made.append(item)
        return made

    def ran() -> list[str]:
        items = [*cases("one_of_many", pytest.mark.sample(3)), *cases("another")]
        out = left_out(items)
        return [item.name for item in items if item not in out]

    return ran


@pytest.fixture(autouse=True)
def as_make_test_is(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ALL", "SEED"):
        monkeypatch.delenv(f"SPARKCTL_TEST_{name}", raising=False)


def test_a_sample_is_drawn_and_what_has_no_mark_stays(ran: Ran) -> None:
    names = ran()
    assert sum(name.startswith("one_of_many") for name in names) == 3
    assert sum(name.startswith("another") for name in names) == 20
    assert ran() == names


def test_another_seed_draws_another(ran: Ran, monkeypatch: pytest.MonkeyPatch) -> None:
    first = ran()
    monkeypatch.setenv("SPARKCTL_TEST_SEED", "2")
    assert ran() != first


def test_all_are_taken_where_all_are_wanted(ran: Ran, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPARKCTL_TEST_ALL", "1")
    assert len(ran()) == 40
