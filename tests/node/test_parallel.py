"""The same work on several nodes at once: all waited for, no error lost."""

import signal
import threading

import pytest

from orchestrator.errors import ConnectError, LockLostError, NodeErrors, PreflightError
from orchestrator.node.parallel import begin, on_each, raise_all, try_each


def test_the_work_is_done_at_the_same_time() -> None:
    barrier = threading.Barrier(8, timeout=20)

    def work(name: str) -> str:
        barrier.wait()  # would break if they came one after the other
        return name.upper()

    names = list("abcdefgh")
    assert on_each(names, work) == {name: name.upper() for name in names}


def test_not_more_at_once_than_allowed() -> None:
    barrier, counting = threading.Barrier(3, timeout=20), threading.Lock()
    now = most = 0

    def work(name: str) -> None:
        nonlocal now, most
        with counting:
            now += 1
            most = max(now, most)
        barrier.wait()  # would break with fewer than three
        barrier.wait()  # nobody leaves before all have been counted
        with counting:
            now -= 1

    try_each("abcdefghi", work, at_once=3)
    assert most == 3


def test_the_order_is_that_of_the_names() -> None:
    assert list(on_each(["b", "a", "c"], str.upper)) == ["b", "a", "c"]


def test_all_are_waited_for_when_one_fails() -> None:
    failed = threading.Event()
    done: list[str] = []

    def work(name: str) -> None:
        if name == "a":
            failed.set()
            raise ConnectError("a is off", node="a")
        assert failed.wait(20)
        done.append(name)

    with pytest.raises(ConnectError, match="a is off"):
        on_each(["a", "b"], work)
    assert done == ["b"]


def test_results_and_errors_are_told_apart() -> None:
    def work(name: str) -> int:
        if name == "b":
            raise ConnectError("off", node=name)
        return len(name)

    results, errors = try_each(["a", "b"], work)
    assert results == {"a": 1}
    assert list(errors) == ["b"]


def test_nothing_to_do() -> None:
    assert on_each([], len) == {}


def test_a_fault_of_the_program_is_not_taken_for_a_node_s_error() -> None:
    with pytest.raises(ZeroDivisionError):
        on_each(["a"], lambda name: 1 // 0)


def test_several_errors_share_their_exit_code_or_one_decides() -> None:
    off, wrong = ConnectError("off", node="b"), PreflightError("wrong", node="a")
    with pytest.raises(NodeErrors) as caught:
        raise_all({"b": off, "c": ConnectError("off", node="c")})
    assert caught.value.exit_code == 4
    with pytest.raises(NodeErrors) as caught:
        raise_all({"b": off, "a": wrong})
    assert caught.value.exit_code == 1
    with pytest.raises(NodeErrors) as failed:
        raise_all({"b": off, "a": LockLostError("lost", node="a")})
    assert failed.value.exit_code == 7
    assert caught.value.errors == (off, wrong)
    assert [e["code"] for e in caught.value.to_dict()["errors"]] == ["E200", "E400"]  # type: ignore[index]


def test_all_are_waited_for_when_the_program_has_a_fault() -> None:
    """What goes on must not go on when the lock has been given back."""
    failed, done = threading.Event(), list[str]()

    def work(name: str) -> None:
        if name == "a":
            failed.set()
            raise ZeroDivisionError
        assert failed.wait(20)
        done.append(name)

    with pytest.raises(ZeroDivisionError):
        on_each(["a", "b"], work)
    assert done == ["b"]


def test_who_is_interrupted_leaves_and_nothing_further_is_begun() -> None:
    begun, hangs = threading.Event(), threading.Event()
    names: list[str] = []

    def work(name: str) -> None:
        names.append(name)
        begun.set()
        hangs.wait(60)

    def interrupt() -> None:
        assert begun.wait(20)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    interrupting = begin(interrupt)
    try:
        with pytest.raises(KeyboardInterrupt):
            try_each(["a", "b"], work, at_once=1)
    finally:
        signal.signal(signal.SIGINT, before)
        hangs.set()
    interrupting.result(20)
    working = [thread for thread in threading.enumerate() if "work_off" in thread.name]
    for thread in working:
        thread.join(20)
    assert names == ["a"]
