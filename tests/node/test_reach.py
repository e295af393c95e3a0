"""Whether a port answers, asked by the real script; a real firewall is in the lab."""

import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from orchestrator.node.reach import Door, blocked_script, shut

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")


def ask(*doors: Door, path: str | None = None) -> tuple[Door, ...]:
    env = None if path is None else {"PATH": path}
    done = subprocess.run(
        ["/bin/sh", "-c", blocked_script(doors)],
        capture_output=True, text=True, timeout=30, check=True, env=env,
    )  # fmt: skip
    assert done.stderr == ""
    return shut(done.stdout, doors)


def test_a_port_that_listens_and_one_that_refuses_are_both_open() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        listens = Door("tcp", "127.0.0.1", server.getsockname()[1])
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        assert ask(listens, Door("tcp", "127.0.0.1", port), Door("udp", "127.0.0.1", port)) == ()


@pytest.mark.patient
def test_where_nothing_comes_back_the_door_is_shut() -> None:
    """A udp socket that keeps still is as a firewall that drops."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as still:
        still.bind(("127.0.0.1", 0))
        silent = Door("udp", "127.0.0.1", still.getsockname()[1])
        with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
            address = full.getsockname()
            waiting = [socket.socket() for _ in range(8)]
            for one in waiting:  # a queue that is full drops who comes next
                one.setblocking(False)
                one.connect_ex(address)
            deaf = Door("tcp", *address)
            assert ask(silent, deaf) == (silent, deaf)
            for one in waiting:
                one.close()


def test_a_machine_without_bash_is_not_asked(tmp_path: Path) -> None:
    assert ask(Door("tcp", "127.0.0.1", 1), path=str(tmp_path)) == ()


def test_only_doors_that_were_asked_for_are_taken_from_what_a_machine_says() -> None:
    doors = (Door("tcp", "10.0.0.1", 2377), Door("udp", "10.0.0.1", 7946))
    assert shut("tcp 10.0.0.1 2377\ntcp 6.6.6.6 1\nrubbish\n", doors) == doors[:1]
