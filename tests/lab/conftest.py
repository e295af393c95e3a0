"""One lab for the whole session, and machines in it as seen from outside."""

import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import pytest

from orchestrator.lab import LabSpec, access, down, names
from tests.lab.machine import Machine
from tests.lab.raised import raised
from tests.lab.sparkctl import Sparkctl
from tests.lab.sshd import sshd

PREFIX = "test-"
LONG = (
    "test_upgrade.py", "test_runs.py", "test_gang.py", "test_faults.py",
    "test_docker_restarts.py", "test_give_back.py", "test_wrong_input.py", "test_node_life.py",
    "test_toy_engine.py", "test_from_the_playbook.py", "test_installed.py",
)  # fmt: skip
"""Files that take minutes."""

__all__ = ["sshd"]  # a fixture of every file here


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder needs a lab. Long files come first: none is alone at the end."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.lab)
    first = {name: place for place, name in enumerate(LONG)}
    items.sort(key=lambda item: first.get(item.path.name, len(first)))


@pytest.fixture(scope="session", autouse=True)
def ctrl_c() -> Iterator[None]:
    """It works, as at a terminal. Jobs in the background ignore it, and so does all they start."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def session_name() -> str:
    """Begins the names of this session's labs. Labs of earlier sessions that died are swept."""
    for name in names():
        owner = name.removeprefix(PREFIX).partition("-")[0]
        if name.startswith(PREFIX) and owner.isdecimal() and not _lives(int(owner)):
            down(name)
    return f"{PREFIX}{os.getpid()}"


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


@pytest.fixture(scope="session")
def raise_lab() -> Callable[[LabSpec], AbstractContextManager[dict[str, Machine]]]:
    """For a test that needs a lab of its own."""
    return raised


@pytest.fixture(scope="session")
def suite() -> str:
    """The nodes' Debian suite, and so their engine, where a test is not about one."""
    return os.environ.get("SPARKCTL_TEST_ENGINE", LabSpec.suite)


@pytest.fixture(scope="session")
def lab_spec(session_name: str, suite: str, tmp_path_factory: pytest.TempPathFactory) -> LabSpec:
    """What the session's lab is: two nodes with the training image."""
    out = tmp_path_factory.mktemp("lab") / "cluster.yaml"
    return LabSpec(session_name, suite=suite, out=out)


@pytest.fixture(scope="session")
def machines(lab_spec: LabSpec) -> Iterator[dict[str, Machine]]:
    """The session's lab, its nodes by name: commands and files as root, not over SSH."""
    with raised(lab_spec) as found:
        yield found


@pytest.fixture(scope="session")
def lab(lab_spec: LabSpec, machines: dict[str, Machine]) -> LabSpec:
    """The session's lab: where its cluster file and keys are."""
    assert len(machines) == lab_spec.nodes
    return lab_spec


@pytest.fixture(scope="session")
def password(lab: LabSpec) -> str:
    """The sudo password of the nodes."""
    return access.Access(lab.state).password


@pytest.fixture
def other_key(tmp_path: Path) -> Path:
    """A private key that no node knows."""
    return access.ensure(tmp_path / "stranger").key


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port on the loopback address where nobody listens."""
    with socket.socket() as held:  # bound, so that nobody else takes it; never listening
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


@pytest.fixture
def later() -> Iterator[Callable[[Callable[[], object]], None]]:
    """Register what has to be undone after the test; the last one first."""
    with ExitStack() as stack:

        def register(undo: Callable[[], object]) -> None:
            stack.callback(undo)

        yield register


@pytest.fixture(scope="session")
def sparkctl(lab: LabSpec) -> Sparkctl:
    """`sparkctl` with the lab's cluster file; the cluster is down."""
    return Sparkctl(lab.out)


@pytest.fixture
def up(sparkctl: Sparkctl) -> Iterator[Sparkctl]:
    """`sparkctl` with the cluster up, for one test."""
    yield from _up_and_down(sparkctl)


@pytest.fixture(scope="module")
def module_up(sparkctl: Sparkctl) -> Iterator[Sparkctl]:
    """`sparkctl` with the cluster up, for all tests of a file."""
    yield from _up_and_down(sparkctl)


def _up_and_down(sparkctl: Sparkctl) -> Iterator[Sparkctl]:
    try:
        sparkctl("cluster", "up", "--yes")
        yield sparkctl
    finally:
        sparkctl("cluster", "down", "--yes", "--delete-runs")  # the next test finds bare machines
