"""A real sshd alone in a container, for what needs no whole node."""

from collections.abc import Iterator

import pytest
from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer

from orchestrator.errors import ConnectError
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
def sshd(
    session_name: str, suite: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Login]:
    """A login to a container of the node image in which nothing but sshd runs."""
    # Its sweeper is an image of its own to pull; labels and session_name sweep here.
    testcontainers_config.ryuk_disabled = True
    ours = access.ensure(tmp_path_factory.mktemp("ssh"))
    with engine.connected() as client:
        image = node_image.ensure(client, NodeImage(suite.partition(",")[0]))
    container = (
        DockerContainer(image)
        .with_kwargs(entrypoint=["sh", "-c", START], labels={labels.LAB: session_name})
        .with_env("KEY", ours.public_key)
        .with_exposed_ports(22)
    )
    with container:
        port = int(container.get_exposed_port(22))
        known = until(lambda: _host_keys(container), what="host keys", deadline_seconds=20)
        access_file = tmp_path_factory.mktemp("known") / "known_hosts"
        access_file.write_text(access.known_hosts({port: known.splitlines()}))
        login = Login(
            "sshd", "127.0.0.1", port, "nvidia", (str(ours.key),), (access_file,), False, 5.0
        )
        until(lambda: _answers(login), what="sshd", deadline_seconds=20)
        yield login


def _host_keys(container: DockerContainer) -> str | None:
    """All of them, or nothing yet: START makes the folder when it has made them.

    Of kinds that ssh-keygen on this computer knows, too: OpenSSH 10 has one more.
    """
    look = "test -d /home/nvidia/.ssh && cat /etc/ssh/ssh_host_[erd]*.pub"
    done = container.exec(["sh", "-c", look])
    return str(done.output.decode()) if done.exit_code == 0 else None


def _answers(login: Login) -> bool:
    try:
        SshConnection(login).close()
    except ConnectError:
        return False
    return True
