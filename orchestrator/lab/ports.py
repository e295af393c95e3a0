"""Ports on the loopback address under which the nodes' SSH servers are published.

They are chosen here and fixed, because a port that the engine chose would be another one after
every `docker restart`.
"""

import socket
from collections.abc import Iterator

from docker import DockerClient

from orchestrator.lab import labels

LOOPBACK = "127.0.0.1"
FIRST, LAST = 2201, 9999
"""Below the range from which Linux takes ports for outgoing connections."""


def free(client: DockerClient, offset: int, step: int) -> Iterator[int]:
    """Ports that nobody uses now: each of `step` nodes searches a sequence of its own."""
    taken = reserved(client)
    for port in range(FIRST + offset, LAST, step):
        if port not in taken and _can_bind(port):
            yield port


def reserved(client: DockerClient) -> set[int]:
    """The ports of all labs' nodes, also of those that do not run at the moment."""
    found: set[int] = set()
    for summary in client.api.containers(all=True, filters=labels.any_node()):
        port = published(client, summary["Id"])
        if port is not None:
            found.add(port)
    return found


def published(client: DockerClient, container_id: str) -> int | None:
    """The loopback port of a node's SSH server."""
    bindings = client.api.inspect_container(container_id)["HostConfig"]["PortBindings"] or {}
    for binding in bindings.get("22/tcp") or []:
        return int(binding["HostPort"])
    return None


def _can_bind(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def is_conflict(message: str) -> bool:
    """Whether the engine could not start a container because somebody else has the port."""
    return any(
        words in message
        for words in ("port is already allocated", "address already in use", "not available")
    )


def ssh_banner(port: int, timeout_seconds: float = 2.0) -> str | None:
    """The banner of the SSH server on a loopback port; None when there is none.

    A connection alone proves nothing: the engine's proxy accepts before the node does.
    """
    try:
        with socket.create_connection((LOOPBACK, port), timeout=timeout_seconds) as connection:
            banner = connection.recv(255).decode(errors="replace")
    except OSError:
        return None
    return banner.strip() if banner.startswith("SSH-2.0-") else None
