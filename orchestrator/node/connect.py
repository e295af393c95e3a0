"""From the cluster file to connected nodes."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from orchestrator.errors import SparkctlError, SpecError
from orchestrator.node.connection import Connection
from orchestrator.node.local import LocalConnection
from orchestrator.node.login import login_for
from orchestrator.node.node import Node
from orchestrator.node.parallel import raise_all, try_each
from orchestrator.node.ssh import SshConnection
from orchestrator.spec.cluster import ClusterSpec, NodeSpec, SudoSpec

PASSWORD_VARIABLE = "SPARKCTL_SUDO_PASSWORD"

Connect = Callable[[NodeSpec, ClusterSpec], Connection]


def connection_to(node: NodeSpec, spec: ClusterSpec) -> Connection:
    """Open the connection that the cluster file asks for."""
    if node.connection == "local":
        return LocalConnection()
    return SshConnection(login_for(node, spec.ssh))


@contextmanager
def connected(spec: ClusterSpec, connect: Connect = connection_to) -> Iterator[dict[str, Node]]:
    """All nodes of the cluster, connected in parallel, in the order of the file.

    Every node's error is kept; when any failed, the others are closed again.
    """
    with reachable(spec, connect) as (nodes, errors):
        raise_all(errors)
        yield nodes


@contextmanager
def reachable(
    spec: ClusterSpec, connect: Connect = connection_to
) -> Iterator[tuple[dict[str, Node], dict[str, SparkctlError]]]:
    """As `connected`, but with the errors of the nodes that could not be reached beside them."""
    by_name = {node.name: node for node in spec.nodes}
    password = sudo_password(spec.sudo)
    nodes, errors = try_each(
        by_name, lambda name: Node(name, connect(by_name[name], spec), password)
    )
    try:
        yield nodes, errors
    finally:
        for node in nodes.values():
            node.close()


def sudo_password(sudo: SudoSpec) -> str | None:
    """The password known without asking: from the file of the spec, or the environment."""
    if sudo.password_file is None:
        return os.environ.get(PASSWORD_VARIABLE)
    try:
        lines = Path(sudo.password_file).read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise SpecError(
            f"{sudo.password_file}: the sudo password file cannot be read",
            details=str(error),
            resolution="Mend sudo.password_file in the cluster file, or remove that line.",
        ) from None
    return lines[0] if lines else ""
