"""The lock's scripts, run for real in a scratch folder over `connection: local`."""

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from orchestrator.errors import LockedError, LockLostError
from orchestrator.lab.wait import until
from orchestrator.node.local import LocalConnection
from orchestrator.node.node import Node
from orchestrator.node.parallel import begin
from orchestrator.reconcile import lock
from orchestrator.reconcile.lock import (
    LAUNCH,
    STALE,
    Place,
    break_locks,
    locked,
    read_locks,
)
from orchestrator.reconcile.owner import Owner, is_dead, this_owner
from orchestrator.testing.connection import FakeConnection
from tests.support.stand_ins import stand_in


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Node:
    if os.geteuid() != 0:
        stand_in(tmp_path / "bin", "sudo", 'while [ "$1" != -- ]; do shift; done; shift; exec "$@"')
        monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    return Node("here", LocalConnection())


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(str(tmp_path / "it's" / "state"))


def silence(place: Place, seconds: int) -> None:
    """As if the holder had last been heard that long ago."""
    then = time.time() - seconds
    os.utime(f"{place.folder}/lock/owner", (then, then))


def test_it_is_held_inside_and_leaves_nothing(node: Node, place: Place) -> None:
    owner = this_owner("sparkctl cluster up")
    with locked({"here": node}, place, owner):
        held = read_locks({"here": node}, place)["here"]
        assert held is not None
        assert (held.owner, held.silent < STALE) == (owner, True)
        assert owner.token not in str(held)
    assert not Path(place.folder).exists()


def test_the_second_one_is_told_who_holds_it_and_takes_nothing(node: Node, place: Place) -> None:
    first = this_owner("sparkctl cluster down")
    with locked({"here": node}, place, first):
        with (
            pytest.raises(LockedError, match="here is being changed by somebody") as caught,
            locked({"here": node}, place, this_owner("sparkctl cluster up")),
        ):
            raise AssertionError("both hold it")
        assert str(first) in str(caught.value.details)
        assert "lock break" in str(caught.value.resolution)
        assert Path(place.folder, "lock").is_dir()


def test_when_one_of_two_machines_is_taken_the_other_is_let_go(node: Node, tmp_path: Path) -> None:
    other = Node("other", LocalConnection())
    one, two = {"a": node, "b": other}, {"b": other}
    states = Place(str(tmp_path / "state"))
    with locked(two, states, this_owner("first")):
        with pytest.raises(LockedError), locked(one, states, this_owner("second")):
            raise AssertionError("both hold it")
        held = read_locks(two, states)["b"]
        assert held is not None
        assert held.owner is not None
        assert held.owner.command == "first"


@pytest.mark.parametrize(("seconds", "taken_over"), [(STALE - 20, False), (STALE + 1, True)])
def test_who_is_silent_for_long_loses_it(
    node: Node, place: Place, seconds: int, taken_over: bool
) -> None:
    dead = locked({"here": node}, place, this_owner("dead"))
    dead.__enter__()
    silence(place, seconds)
    living = this_owner("living")
    if not taken_over:
        with pytest.raises(LockedError), locked({"here": node}, place, living):
            raise AssertionError("taken from somebody who lives")
        return
    with locked({"here": Node("here", LocalConnection())}, place, living):
        dead.__exit__(None, None, None)  # late, and no longer its own
        held = read_locks({"here": node}, place)["here"]
        assert held is not None
        assert held.owner == living
    assert not Path(place.folder).exists()


def test_of_many_at_the_same_time_one_has_it(node: Node, place: Place) -> None:
    def attempt(number: int) -> bool:
        try:
            lock._take(Node("here", LocalConnection()), place, this_owner(f"number {number}"))
        except LockedError:
            return False
        return True

    with ThreadPoolExecutor(12) as pool:
        assert sum(pool.map(attempt, range(12))) == 1


def test_of_many_who_find_a_dead_one_s_lock_one_has_it(node: Node, place: Place) -> None:
    lock._take(node, place, this_owner("dead"))
    silence(place, STALE + 1)

    def attempt(number: int) -> bool:
        try:
            lock._take(Node("here", LocalConnection()), place, this_owner(f"number {number}"))
        except LockedError:
            return False
        return True

    with ThreadPoolExecutor(12) as pool:
        assert sum(pool.map(attempt, range(12))) == 1
    assert [p.name for p in Path(place.folder).iterdir()] == ["lock"]


def test_the_holder_gives_signs_of_life(
    node: Node, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "BEAT", 0.05)
    with locked({"here": node}, place, this_owner("living")):
        silence(place, STALE)

        def heard() -> bool:
            held = read_locks({"here": node}, place)["here"]
            return held is not None and held.silent < STALE - 1

        until(heard, what="a heartbeat", deadline_seconds=20)


def test_a_lock_without_an_owner_yet_is_held_by_somebody(node: Node, place: Place) -> None:
    Path(place.folder, "lock").mkdir(parents=True)
    with pytest.raises(LockedError) as caught, locked({"here": node}, place, this_owner("x")):
        raise AssertionError("both hold it")
    assert "somebody" in str(caught.value.details)


def test_broken_it_is_free(node: Node, place: Place) -> None:
    lock._take(node, place, this_owner("dead"))
    break_locks({"here": node}, place)
    assert read_locks({"here": node}, place) == {"here": None}
    assert not Path(place.folder).exists()


def test_a_fault_inside_lets_it_go(node: Node, place: Place) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    inside: Callable[[], None] = fail
    with pytest.raises(ZeroDivisionError), locked({"here": node}, place, this_owner("x")):
        inside()
    assert not Path(place.folder).exists()


@pytest.fixture
def taken_over(node: Node, place: Place) -> Iterator[tuple[Owner, list[LockLostError]]]:
    """`node` belongs to a laptop that slept for too long: another one works there now.

    Its owner, and what the sleeper is told between two changes."""
    told: list[LockLostError] = []
    sleeper = locked({"here": node}, place, this_owner("sleeper"), told.append)
    sleeper.__enter__()
    silence(place, STALE + 1)
    other = this_owner("other")
    with locked({"here": Node("here", LocalConnection())}, place, other):
        yield other, told
        sleeper.__exit__(None, None, None)
        held = read_locks({"here": node}, place)["here"]
        assert held is not None
        assert held.owner == other
    assert node.fence is None
    assert node.script("echo again") == "again\n"


def test_who_lost_it_makes_no_further_change(
    node: Node, tmp_path: Path, taken_over: tuple[Owner, list[LockLostError]]
) -> None:
    for need in ("root", "docker"):
        with pytest.raises(LockLostError, match="took over the lock of here"):
            node.script(f"touch {tmp_path}/changed", need=need)  # type: ignore[arg-type]
    with pytest.raises(LockLostError):
        node.docker_cli("stack", "deploy")
    assert not (tmp_path / "changed").exists()


def test_who_holds_it_makes_changes(node: Node, place: Place, tmp_path: Path) -> None:
    with locked({"here": node}, place, this_owner("living")):
        node.script(f"touch {tmp_path}/changed", need="docker")
        node.check_fence()
    assert (tmp_path / "changed").exists()


def test_a_lock_that_was_broken_by_hand_is_lost_too(node: Node, place: Place) -> None:
    with locked({"here": node}, place, this_owner("slow")):
        break_locks({"here": Node("here", LocalConnection())}, place)
        with pytest.raises(LockLostError):
            node.script("true")


def test_signs_of_life_are_for_the_own_lock_alone(
    node: Node, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a sleeper that woke up would keep the lock of a dead one for ever."""
    monkeypatch.setattr(lock, "BEAT", 0.05)
    lost = threading.Event()
    with locked({"here": node}, place, this_owner("sleeper"), lambda error: lost.set()):
        Path(place.folder, "lock/owner").write_text(json.dumps(asdict(this_owner("other"))))
        silence(place, STALE - 10)
        silent = read_locks({"here": Node("here", LocalConnection())}, place)["here"]
        assert lost.wait(20)
        assert silent is not None
        later = read_locks({"here": Node("here", LocalConnection())}, place)["here"]
        assert later is not None
        assert later.silent >= silent.silent >= STALE - 10
    break_locks({"here": node}, place)


def test_of_two_locks_each_gives_its_own_signs_of_life(
    node: Node, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on the manager, where the fence is that of the inner one."""
    monkeypatch.setattr(lock, "BEAT", 0.05)
    inner, lost = Place(str(tmp_path / "inner")), threading.Event()
    with (
        locked({"here": node}, place, this_owner("x"), lambda error: lost.set()),
        locked({"here": node}, inner, this_owner("x")),
    ):
        break_locks({"here": Node("here", LocalConnection())}, place)
        assert lost.wait(20)
        node.check_fence()


def test_a_machine_that_hangs_does_not_make_the_others_locks_old(
    node: Node, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "BEAT", 0.05)
    over, hanging = threading.Event(), threading.Event()

    def answer(script: str) -> str:
        if "touch -c" in script:
            hanging.set()
            assert over.wait(60)
        return ""

    nodes = {"a": Node("a", FakeConnection(answer)), "here": node}
    with locked(nodes, place, this_owner("x")):
        assert hanging.wait(20)
        silence(place, STALE)

        def heard() -> bool:
            held = read_locks({"here": node}, place)["here"]
            return held is not None and held.silent < STALE - 1

        until(heard, what="a heartbeat", deadline_seconds=20)
        over.set()


_HOLDER = """\
import sys
from orchestrator.node.local import LocalConnection
from orchestrator.node.node import Node
from orchestrator.reconcile.lock import Place, locked
from orchestrator.reconcile.owner import this_owner

with locked({"here": Node("here", LocalConnection())}, Place(sys.argv[1]), this_owner("killed")):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_of_a_dead_process_of_this_computer_it_is_taken_over_at_once(
    node: Node, place: Place
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _HOLDER, place.folder],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as holder:  # fmt: skip
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(LockedError), locked({"here": node}, place, this_owner("x")):
            raise AssertionError("taken from somebody who lives")
        holder.send_signal(signal.SIGSTOP)  # a laptop that sleeps has no dead processes
        with pytest.raises(LockedError), locked({"here": node}, place, this_owner("x")):
            raise AssertionError("taken from somebody who sleeps")
        holder.kill()
    with locked({"here": node}, place, this_owner("next")):
        held = read_locks({"here": node}, place)["here"]
        assert held is not None
        assert held.owner is not None
        assert held.owner.command == "next"


def test_who_is_dead_is_known_of_this_computer_alone() -> None:
    living = this_owner("x")
    assert not is_dead(living)
    assert is_dead(replace(living, started="1"))  # its number was given to another one
    for other in (
        replace(living, started="1", computer="another boot"),
        replace(living, started="1", user="somebody"),
        replace(living, started="1", computer=""),
        replace(living, started=""),
    ):
        assert not is_dead(other)


def test_the_lock_of_a_former_version_is_read(node: Node, place: Place) -> None:
    lock._take(node, place, this_owner("old"))
    file = Path(place.folder, "lock/owner")
    fields = json.loads(file.read_text())
    file.write_text(
        json.dumps({k: v for k, v in fields.items() if k not in ("computer", "started")})
    )
    with (
        pytest.raises(LockedError, match="somebody") as caught,
        locked({"here": node}, place, this_owner("x")),
    ):
        raise AssertionError("both hold it")
    assert "`old`" in str(caught.value.details)


def test_nobody_but_root_comes_near_it(node: Node, place: Place) -> None:
    """Whoever may open the folder may hold flock(1) on it for as long as they want."""
    Path(place.folder).mkdir(parents=True, mode=0o755)  # of a former version
    with locked({"here": node}, place, this_owner("x")):
        assert stat.S_IMODE(Path(place.folder).stat().st_mode) == 0o700


def test_the_launch_lock_is_for_who_may_use_docker(node: Node, tmp_path: Path) -> None:
    place = replace(LAUNCH, folder=str(tmp_path / "launch"), need="root")
    with locked({"here": node}, place, this_owner("x")):
        for path in (Path(place.folder), Path(place.folder, "lock")):
            assert stat.S_IMODE(path.stat().st_mode) & 0o007 == 0
            assert stat.S_IMODE(path.stat().st_mode) & 0o070 == 0o070
    assert not Path(place.folder).exists()


def test_looking_and_taking_are_one_step(
    node: Node, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever is between the two is waited for; what they took is seen."""
    real = shutil.which("flock")
    stand_in(tmp_path / "bin", "flock", f'touch {tmp_path}/waits; exec {real} "$@"')
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    Path(place.folder).mkdir(parents=True)
    with subprocess.Popen(
        [str(real), place.folder, "sh", "-c", "echo in; cat"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as other:  # fmt: skip
        assert other.stdout is not None
        assert other.stdout.readline() == "in\n"
        taking = begin(lambda: lock._take(node, place, this_owner("second")))
        until(
            lambda: (tmp_path / "waits").exists() or taking.done(), what="it", deadline_seconds=20
        )
        assert not taking.done()
        Path(place.folder, "lock").mkdir()
        Path(place.folder, "lock/owner").write_text(json.dumps(asdict(this_owner("first"))))
        assert other.stdin is not None
        other.stdin.close()
    with pytest.raises(LockedError):
        taking.result(60)
