"""What comes of a restart of Docker becomes an error that says what the machine was left with."""

import re
import shlex
import subprocess

import pytest

from orchestrator.errors import ChangeError, RemoteError
from orchestrator.node.connection import Completed
from orchestrator.node.files import File
from orchestrator.node.node import Node
from orchestrator.resources.daemon_json import DaemonJson
from orchestrator.resources.docker_restart import Outcome, restart_with
from orchestrator.testing.connection import FakeConnection
from orchestrator.testing.facts import stock_spark
from tests.support.changes import change_of

RESOURCE = DaemonJson("spark-a", "NVIDIA_GPU", ("GPU-1",))


def applied(reply: Completed | str) -> None:
    world = {"spark-a": stock_spark()}
    node = Node("spark-a", FakeConnection(lambda _: reply))
    RESOURCE.apply({"spark-a": node}, change_of(RESOURCE, world, RESOURCE.desired(world)))


def script_for(file: File | None) -> str:
    connection = FakeConnection(lambda _: "done\n")
    restart_with(Node("spark-a", connection), file)
    (script,) = connection.scripts
    return script


@pytest.mark.parametrize(
    ("outcome", "says"),
    [
        (Outcome.REFUSED, "Nothing was replaced, and Docker was not restarted"),
        (Outcome.PUT_BACK, "The former file is back, and Docker runs with it"),
        (Outcome.DEFAULTS, "is as it was, and Docker runs without it"),
        (Outcome.DOWN, "systemctl restart docker"),
    ],
)
def test_every_end_but_the_good_one_is_an_error_of_its_own(outcome: Outcome, says: str) -> None:
    with pytest.raises(ChangeError) as caught:
        applied(f"{outcome}\nfailed to start daemon: no\n")
    assert caught.value.node == "spark-a"
    assert "on spark-a" in caught.value.brief
    assert caught.value.details == "failed to start daemon: no"
    assert says in str(caught.value.resolution)


def test_the_good_end_is_none() -> None:
    applied("done\n\n")


def test_a_machine_that_could_not_be_asked_is_not_blamed_on_docker() -> None:
    with pytest.raises(RemoteError, match="a step on spark-a failed"):
        applied(Completed(1, b"", b"systemd-run: command not found"))


def test_the_staged_copy_goes_by_the_name_that_people_know() -> None:
    said = "refused\nwith file /etc/docker/daemon.json.sparkctl.aB3xY9.zW1: no such key\n"
    restart = restart_with(Node("spark-a", FakeConnection(lambda _: said)), None)
    assert restart.lines == "with file /etc/docker/daemon.json: no such key"


@pytest.mark.parametrize("file", [None, File(b'{"it": "\'s $HOME"}', "640", 0, 0)])
def test_both_scripts_are_posix_shell(file: File | None) -> None:
    session = script_for(file)
    for script in (session, unit_of(session)):
        done = subprocess.run(["sh", "-n"], input=script.encode(), capture_output=True, check=False)
        assert (done.returncode, done.stderr) == (0, b"")


def test_systemd_finds_no_variable_to_expand() -> None:
    assert "$" not in as_systemd_gets_it(script_for(None)).replace("$$", "")


def unit_of(session: str) -> str:
    """What the shell of the unit gets."""
    return as_systemd_gets_it(session).replace("$$", "$")


def as_systemd_gets_it(session: str) -> str:
    command = re.search(r"^  (sh -c .*?) sh \"\$staged\" \|\|", session, re.MULTILINE | re.DOTALL)
    assert command is not None
    return shlex.split(command[1])[2]
