"""The lock's scripts, run for real in a scratch folder over `connection: local`."""

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from orchestrator.errors import LockedError
from orchestrator.lab.wait import until
from orchestrator.node.local import LocalConnection
from orchestrator.node.node import Node
from orchestrator.reconcile import lock
from orchestrator.reconcile.lock import STALE, break_locks, locked, read_locks, this_owner
from tests.support.stand_ins import stand_in


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Node:
    if os.geteuid() != 0:
        stand_in(tmp_path / "bin", "sudo", 'while [ "$1" != -- ]; do shift; done; shift; exec "$@"')
        monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    return Node("here", LocalConnection())


@pytest.fixture
def state(tmp_path: Path) -> str:
    return str(tmp_path / "it's" / "state")


def silence(state: str, seconds: int) -> None:
    """As if the holder had last been heard that long ago."""
    then = time.time() - seconds
    os.utime(f"{state}/lock/owner", (then, then))


def test_it_is_held_inside_and_leaves_nothing(node: Node, state: str) -> None:
    owner = this_owner("sparkctl cluster up")
    with locked({"here": node}, state, owner):
        held = read_locks({"here": node}, state)["here"]
        assert held is not None
        assert (held.owner, held.silent < STALE) == (owner, True)
        assert owner.token not in str(held)
    assert not Path(state).exists()


def test_the_second_one_is_told_who_holds_it_and_takes_nothing(node: Node, state: str) -> None:
    first = this_owner("sparkctl cluster down")
    with locked({"here": node}, state, first):
        with (
            pytest.raises(LockedError, match="here is being changed by somebody") as caught,
            locked({"here": node}, state, this_owner("sparkctl cluster up")),
        ):
            raise AssertionError("both hold it")
        assert str(first) in str(caught.value.details)
        assert "lock break" in str(caught.value.resolution)
        assert Path(state, "lock").is_dir()


def test_when_one_of_two_machines_is_taken_the_other_is_let_go(node: Node, tmp_path: Path) -> None:
    other = Node("other", LocalConnection())
    one, two = {"a": node, "b": other}, {"b": other}
    states = str(tmp_path / "state")
    with locked(two, states, this_owner("first")):
        with pytest.raises(LockedError), locked(one, states, this_owner("second")):
            raise AssertionError("both hold it")
        held = read_locks(two, states)["b"]
        assert held is not None
        assert held.owner is not None
        assert held.owner.command == "first"


@pytest.mark.parametrize(("seconds", "taken_over"), [(STALE - 20, False), (STALE + 1, True)])
def test_who_is_silent_for_long_loses_it(
    node: Node, state: str, seconds: int, taken_over: bool
) -> None:
    dead = locked({"here": node}, state, this_owner("dead"))
    dead.__enter__()
    silence(state, seconds)
    living = this_owner("living")
    if not taken_over:
        with pytest.raises(LockedError), locked({"here": node}, state, living):
            raise AssertionError("taken from somebody who lives")
        return
    with locked({"here": node}, state, living):
        dead.__exit__(None, None, None)  # late, and no longer its own
        held = read_locks({"here": node}, state)["here"]
        assert held is not None
        assert held.owner == living
    assert not Path(state).exists()


def test_of_many_at_the_same_time_one_has_it(node: Node, state: str) -> None:
    def attempt(number: int) -> bool:
        try:
            lock._take(Node("here", LocalConnection()), state, this_owner(f"number {number}"))
        except LockedError:
            return False
        return True

    with ThreadPoolExecutor(12) as pool:
        assert sum(pool.map(attempt, range(12))) == 1


def test_of_many_who_find_a_dead_one_s_lock_one_has_it(node: Node, state: str) -> None:
    lock._take(node, state, this_owner("dead"))
    silence(state, STALE + 1)

    def attempt(number: int) -> bool:
        try:
            lock._take(Node("here", LocalConnection()), state, this_owner(f"number {number}"))
        except LockedError:
            return False
        return True

    with ThreadPoolExecutor(12) as pool:
        assert sum(pool.map(attempt, range(12))) == 1
    assert [p.name for p in Path(state).iterdir()] == ["lock"]


def test_the_holder_gives_signs_of_life(
    node: Node, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "BEAT", 0.05)
    with locked({"here": node}, state, this_owner("living")):
        silence(state, STALE)

        def heard() -> bool:
            held = read_locks({"here": node}, state)["here"]
            return held is not None and held.silent < STALE - 1

        until(heard, what="a sign of life", deadline_s=20)


def test_a_lock_without_an_owner_yet_is_held_by_somebody(node: Node, state: str) -> None:
    Path(state, "lock").mkdir(parents=True)
    with pytest.raises(LockedError) as caught, locked({"here": node}, state, this_owner("x")):
        raise AssertionError("both hold it")
    assert "somebody" in str(caught.value.details)


def test_broken_it_is_free(node: Node, state: str) -> None:
    lock._take(node, state, this_owner("dead"))
    break_locks({"here": node}, state)
    assert read_locks({"here": node}, state) == {"here": None}
    assert not Path(state).exists()


def test_a_fault_inside_lets_it_go(node: Node, state: str) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    inside: Callable[[], None] = fail
    with pytest.raises(ZeroDivisionError), locked({"here": node}, state, this_owner("x")):
        inside()
    assert not Path(state).exists()
