"""The SSH connection against a real sshd alone in a container: streams, deadlines, host keys."""

import shlex
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer

from orchestrator.errors import AuthenticationError, ConnectError, HostKeyError
from orchestrator.lab import access, engine, labels, node_image
from orchestrator.lab.node_image import NodeImage
from orchestrator.lab.wait import until
from orchestrator.node.login import Login
from orchestrator.node.ssh import SshConnection

START = """
mkdir -p /run/sshd && ssh-keygen -A >/dev/null && install -d -o nvidia /home/nvidia/.ssh &&
printf '%s' "$KEY" >/home/nvidia/.ssh/authorized_keys && exec /usr/sbin/sshd -D -e
"""


@pytest.fixture(scope="module")
def sshd(session_name: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Login]:
    """A login to a container of the node image in which nothing but sshd runs."""
    # Its sweeper is an image of its own to pull; labels and session_name sweep here.
    testcontainers_config.ryuk_disabled = True
    ours = access.ensure(tmp_path_factory.mktemp("ssh"))
    with engine.connected() as client:
        image = node_image.ensure(client, NodeImage("trixie"))
    container = (
        DockerContainer(image)
        .with_kwargs(entrypoint=["sh", "-c", START], labels={labels.LAB: session_name})
        .with_env("KEY", ours.public_key)
        .with_exposed_ports(22)
    )
    with container:
        port = int(container.get_exposed_port(22))
        known = until(lambda: _host_keys(container), what="host keys", deadline_s=20)
        access_file = tmp_path_factory.mktemp("known") / "known_hosts"
        access_file.write_text(access.known_hosts({port: known.splitlines()}))
        login = Login(
            "sshd", "127.0.0.1", port, "nvidia", (str(ours.key),), access_file, False, 5.0
        )
        until(lambda: _answers(login), what="sshd", deadline_s=20)
        yield login


def _host_keys(container: DockerContainer) -> str | None:
    """All three, or nothing yet."""
    done = container.exec(["sh", "-c", "cat /etc/ssh/ssh_host_*.pub"])
    text: str = done.output.decode()
    return text if done.exit_code == 0 and text.count("\n") == 3 else None


def _answers(login: Login) -> bool:
    try:
        SshConnection(login).close()
    except ConnectError:
        return False
    return True


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


def test_eight_at_once_on_one_connection(connection: SshConnection) -> None:
    with ThreadPoolExecutor(8) as pool:
        done = pool.map(lambda n: connection.run(f"echo {n}", b"", deadline=20), range(8))
    assert [int(one.stdout) for one in done] == list(range(8))


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


def test_a_host_key_that_changed_is_refused_with_the_mend(sshd: Login, tmp_path: Path) -> None:
    other = access.ensure(tmp_path / "other").public_key.split()
    line = f"[127.0.0.1]:{sshd.port} {other[0]} {other[1]}\n"
    (tmp_path / "known").write_text(line)
    with pytest.raises(HostKeyError, match="has CHANGED") as caught:
        SshConnection(replace(sshd, known_hosts=tmp_path / "known", accept_new=True))
    assert "ssh-keygen -R" in str(caught.value.resolution)
    assert (tmp_path / "known").read_text() == line


def test_through_a_jump_host(sshd: Login) -> None:
    """Through the same sshd to itself, as its own loopback address sees it: a port of its own."""
    inside = known_inside(sshd)
    far = replace(sshd, port=22, jumps=(sshd, replace(sshd, port=22, known_hosts=inside)))
    connection = SshConnection(replace(far, known_hosts=inside))
    done = connection.run("echo $SSH_CONNECTION", b"", deadline=10)
    assert done.stdout.split()[-2:] == [b"127.0.0.1", b"22"]
    connection.close()


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
    text = sshd.known_hosts.read_text().replace(f"[127.0.0.1]:{sshd.port} ", "127.0.0.1 ")
    path = sshd.known_hosts.with_name("inside")
    path.write_text(text)
    return path


def test_a_broken_known_hosts_file_is_named(sshd: Login, tmp_path: Path) -> None:
    (tmp_path / "known").write_text("[127.0.0.1]:22 ssh-ed25519 nonsens\n")
    with pytest.raises(HostKeyError, match="known cannot be read"):
        SshConnection(replace(sshd, known_hosts=tmp_path / "known"))


def test_a_login_that_there_is_not_is_refused(sshd: Login) -> None:
    with pytest.raises(AuthenticationError, match="refused the login of nobody"):
        SshConnection(replace(sshd, user="nobody"))
