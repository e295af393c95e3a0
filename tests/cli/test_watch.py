"""`cluster status --watch`: what it costs a machine, and machines that go away and come back."""

import signal
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from orchestrator.api.person import Unattended
from orchestrator.api.watching import watch
from orchestrator.errors import AuthenticationError, ConnectError
from orchestrator.facts.protocol import encode
from orchestrator.node.connection import Completed
from orchestrator.runs.glance import Seen
from tests.cli.conftest import Sparkctl
from tests.cli.test_interrupt import running, wait_for_a_command
from tests.support.clusters import EXAMPLE
from tests.support.fakes import FakeCluster
from tests.support.ssh_server import silent_server

SAID = encode(
    {
        "gpus": "GPU-1, NVIDIA GB10, 580.95.05, 97, 71.40, 68, [N/A]",
        "meminfo": "MemTotal: 200 kB\nMemAvailable: 50 kB\n",
        "run.tiny-llama-lora-0a1b2c": '{"rank": 0, "phase": "training", "step": 12}',
    }
)


@pytest.fixture
def looked_at(site: FakeCluster) -> FakeCluster:
    """Machines that answer a glance."""
    for machine in site.machines.values():
        machine.failing = {"heartbeat-rank": Completed(0, SAID, b"")}
    return site


def looks() -> Iterator[Mapping[str, Seen]]:
    return watch(EXAMPLE, Unattended(), interval=0, pause=lambda seconds: None)


def test_each_look_is_one_exec_over_the_one_connection(looked_at: FakeCluster) -> None:
    looking = looks()
    for count in (1, 2, 3):
        look = next(looking)
        assert [seen.problem for seen in look.values()] == [None, None]
        for machine in looked_at.machines.values():
            assert len(machine.scripts) == count
    assert sorted(looked_at.connected) == ["spark-a", "spark-b"]
    seen = look["spark-a"].glance
    assert seen is not None and seen.runs[0].step == 12
    looking.close()  # type: ignore[attr-defined]
    assert all(machine.closed for machine in looked_at.machines.values())


def test_a_machine_that_goes_away_is_shown_and_comes_back(looked_at: FakeCluster) -> None:
    looking, machine = looks(), looked_at.machines["spark-b"]
    next(looking)

    def gone(script: str) -> str:
        raise ConnectError("spark-b is gone", node="spark-b")

    answer, machine.answer = machine.answer, gone
    look = next(looking)
    assert (look["spark-a"].problem, look["spark-b"].problem) == (None, "spark-b is gone")
    assert look["spark-b"].glance is not None  # as it was
    machine.answer = answer
    assert next(looking)["spark-b"].problem is None
    assert looked_at.connected.count("spark-b") == 2
    assert looked_at.connected.count("spark-a") == 1


def test_one_that_was_away_from_the_start_comes_too(looked_at: FakeCluster) -> None:
    looked_at.refused = {"spark-b": ConnectError("spark-b is off", node="spark-b")}
    looking = looks()
    for _ in range(2):
        assert next(looking)["spark-b"] == Seen(None, "spark-b is off")
    looked_at.refused = {}
    assert next(looking)["spark-b"].problem is None


def test_one_that_refuses_us_is_asked_once(looked_at: FakeCluster) -> None:
    looked_at.refused = {"spark-b": AuthenticationError("no key fits", node="spark-b")}
    looking = looks()
    for _ in range(3):
        assert next(looking)["spark-b"].problem == "no key fits"
    assert looked_at.connected.count("spark-b") == 1


def test_it_goes_with_neither_check_nor_json(sparkctl: Sparkctl) -> None:
    for option in ("--check", "--json"):
        ran = sparkctl("cluster", "status", "--watch", option)
        assert (ran.code, "--watch goes on for ever" in ran.stderr) == (2, True)
    assert sparkctl("cluster", "status", "--watch", "--interval", "0").code == 2


@pytest.mark.patient
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, 143)])
def test_ctrl_c_is_its_quiet_end(tmp_path: Path, number: signal.Signals, code: int) -> None:
    with silent_server() as machine:
        command = ("-f", str(machine.cluster_file(tmp_path)), "cluster", "status", "--watch")
        with running("-m", "orchestrator", *command) as process:
            wait_for_a_command(machine, process)
            process.send_signal(number)
            stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == code
    assert (stdout, stderr.strip()) == ("", "" if code == 0 else "stopped")
