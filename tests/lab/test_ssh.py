"""The SSH connection against a real sshd alone in a container: streams, deadlines, host keys."""

import gc
import shlex
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.errors import AuthenticationError, ConnectError
from orchestrator.node.channels import AT_ONCE
from orchestrator.node.login import Login
from orchestrator.node.ssh import SshConnection


@pytest.fixture
def connection(sshd: Login) -> Iterator[SshConnection]:
    connected = SshConnection(sshd)
    yield connected
    connected.close()


def test_exit_code_and_both_streams(connection: SshConnection) -> None:
    done = connection.run("cat; echo oops >&2; exit 7", b"in\n", deadline=10)
    assert (done.code, done.stdout, done.stderr) == (7, b"in\n", b"oops\n")


def test_much_in_and_much_out(connection: SshConnection) -> None:
    """More than any window of the protocol, in both directions."""
    sent = bytes(range(256)) * 20_000
    assert connection.run("cat", sent, deadline=60).stdout == sent


def test_much_on_stderr_does_not_stop_stdout(connection: SshConnection) -> None:
    script = "head -c 8000000 /dev/zero >&2; echo done"
    done = connection.run(script, b"", deadline=60)
    assert (done.stdout, len(done.stderr)) == (b"done\n", 8_000_000)


def test_a_command_that_does_not_read_is_no_fault(connection: SshConnection) -> None:
    assert connection.run("exit 3", b"x" * 5_000_000, deadline=30).code == 3


def test_a_deadline_holds_and_the_connection_lives_on(connection: SshConnection) -> None:
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        connection.run("while :; do echo alive; sleep 0.1; done", b"", deadline=1)
    assert time.monotonic() - began < 20
    assert connection.run("echo there", b"", deadline=10).stdout == b"there\n"


def test_the_deadline_holds_for_a_command_that_has_closed_its_output(
    connection: SshConnection,
) -> None:
    with pytest.raises(TimeoutError):
        connection.run("exec >&- 2>&-; sleep 60", b"", deadline=1)


def test_many_at_once_share_eight_channels(sshd: Login) -> None:
    """sshd refuses the eleventh; all thirty come through, in turn."""
    connection = SshConnection(replace(sshd, timeout=60.0))  # on a busy computer turns take long
    with ThreadPoolExecutor(30) as pool:
        done = pool.map(lambda n: connection.run(f"echo {n}", b"", deadline=60), range(30))
    assert [int(one.stdout) for one in done] == list(range(30))
    connection.close()


def test_streams_count_and_closing_one_gives_its_channel_back(sshd: Login) -> None:
    connection = SshConnection(replace(sshd, timeout=1.0))
    streams = [connection.open("cat", b"") for _ in range(AT_ONCE)]
    with pytest.raises(ConnectError, match="no channel left"):
        connection.open("cat", b"")
    with pytest.raises(TimeoutError):
        connection.run("true", b"", deadline=0.5)
    streams.pop().close()
    assert connection.run("echo there", b"", deadline=10).stdout == b"there\n"
    del streams  # nobody reads them any more, and nobody closed them
    gc.collect()
    again = [connection.open("cat", b"") for _ in range(AT_ONCE)]
    for stream in again:
        stream.close()
        stream.close()  # twice is once
    connection.close()


def test_a_machine_that_stops_answering_is_given_up(sshd: Login) -> None:
    """sshd itself is stopped: TCP lives on, nobody answers."""
    connection = SshConnection(replace(sshd, timeout=2.0))
    other = SshConnection(sshd)
    pid = connection.run("echo $PPID", b"", deadline=10).stdout.decode().strip()
    other.run(f"kill -STOP {pid}", b"", deadline=10)
    with pytest.raises(ConnectError, match="is gone"):
        connection.run("true", b"", deadline=60)
    other.run(f"kill -CONT {pid}", b"", deadline=10)
    other.close()
    connection.close()


def test_a_stream_carries_both_ways_and_ends_with_us(connection: SshConnection) -> None:
    stream = connection.open("cat", b"first ")
    stream.sendall(b"second")
    heard = b""
    while len(heard) < len(b"first second"):
        heard += stream.recv(100)
    assert heard == b"first second"
    stream.close()


def test_a_connection_that_is_cut_is_said_to_be(sshd: Login) -> None:
    connection = SshConnection(sshd)
    with pytest.raises(ConnectError, match="the SSH connection to sshd is gone"):
        connection.run("kill -9 $PPID; sleep 60", b"", deadline=30)
    with pytest.raises(ConnectError, match="the SSH connection to sshd is gone"):
        connection.run("true", b"", deadline=30)
    connection.close()


def test_through_a_jump_host(sshd: Login) -> None:
    """Through the same sshd to itself, as its own loopback address sees it: a port of its own."""
    inside = known_inside(sshd)
    far = replace(sshd, port=22, jumps=(sshd, replace(sshd, port=22, known_hosts=(inside,))))
    connection = SshConnection(replace(far, known_hosts=(inside,)))
    done = connection.run("echo $SSH_CONNECTION", b"", deadline=10)
    assert done.stdout.split()[-2:] == [b"127.0.0.1", b"22"]
    connection.close()


def test_a_jump_that_refuses_us_is_not_taken_for_the_machine(sshd: Login) -> None:
    stranger = replace(sshd, user="nobody", is_jump=True)
    with pytest.raises(AuthenticationError, match="the jump host of sshd"):
        SshConnection(replace(sshd, jumps=(stranger,)))


def test_a_jump_that_leads_nowhere_names_the_machine_behind(sshd: Login) -> None:
    with pytest.raises(ConnectError, match=r"sshd \(127.0.0.1:9\) cannot be reached"):
        SshConnection(replace(sshd, port=9, jumps=(sshd,)))


def test_through_a_command(sshd: Login) -> None:
    script = (
        "import os,socket,sys,threading;s=socket.create_connection((sys.argv[1],int(sys.argv[2])));"
        "threading.Thread(target=lambda:[s.sendall(d) for d in iter(lambda:os.read(0,9999),b'')],"
        "daemon=True).start();[os.write(1,d) for d in iter(lambda:s.recv(9999),b'')]"
    )
    command = shlex.join([sys.executable, "-c", script, sshd.host, str(sshd.port)])
    connection = SshConnection(replace(sshd, proxy_command=command))
    assert connection.run("echo there", b"", deadline=10).stdout == b"there\n"
    connection.close()


def known_inside(sshd: Login) -> Path:
    """The same host keys, for port 22."""
    text = sshd.known_hosts[0].read_text().replace(f"[127.0.0.1]:{sshd.port} ", "127.0.0.1 ")
    path = sshd.known_hosts[0].with_name("inside")
    path.write_text(text)
    return path


def test_a_login_that_there_is_not_is_refused(sshd: Login) -> None:
    with pytest.raises(AuthenticationError, match="refused the login of nobody"):
        SshConnection(replace(sshd, user="nobody"))


def test_a_tunnel_goes_both_ways_and_takes_no_session(connection: SshConnection) -> None:
    streams = [connection.open("cat", b"") for _ in range(AT_ONCE)]
    tunnel = connection.tunnel("127.0.0.1", 22)
    tunnel.settimeout(10)
    assert tunnel.recv(4) == b"SSH-"
    tunnel.close()
    for stream in streams:
        stream.close()


def test_a_tunnel_to_nobody_is_an_error(connection: SshConnection) -> None:
    with pytest.raises(ConnectError, match="opens no connection"):
        connection.tunnel("127.0.0.1", 1)
    assert connection.run("echo there", b"", deadline=10).stdout == b"there\n"
