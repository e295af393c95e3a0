"""What runs: one record per simulated Spark."""

from dataclasses import dataclass

from docker.models.containers import Container

from orchestrator.lab import engine, labels, node
from orchestrator.lab.cluster_file import INTERFACE
from orchestrator.lab.execute import attempt
from orchestrator.lab.lab import in_parallel

SCRIPT = f"""
systemctl is-system-running
docker version --format '{{{{.Server.Version}}}}' 2>/dev/null || echo -
ip -o -4 addr show dev {INTERFACE} 2>/dev/null | awk '{{ print $4 }}'
"""


@dataclass(frozen=True)
class NodeStatus:
    """One node, as found."""

    lab: str
    node: str
    state: str
    """systemd's state (`running`, `degraded`, `starting`…), or the state of the container."""
    engine: str | None
    """Version of the node's own Docker Engine."""
    ssh_port: int | None
    """On the loopback address."""
    fabric: str | None
    """Address and prefix length on the fast link."""


def status(lab: str | None = None) -> list[NodeStatus]:
    """All nodes of one lab, or of all labs, by lab and name.

    Raises:
        LabError: no engine answers.
    """
    filters = labels.of_lab(lab) if lab else labels.any_node()
    with engine.connected() as client:
        found = client.containers.list(all=True, filters=filters, ignore_removed=True)
        records = in_parallel(_look, [c for c in found if labels.NODE in c.labels])
    return sorted(records, key=lambda record: (record.lab, record.node))


def _look(container: Container) -> NodeStatus:
    lab, name = container.labels[labels.LAB], container.labels[labels.NODE]
    port = node.ssh_port(container)
    if container.status != "running":
        return NodeStatus(lab, name, container.status, None, port, None)
    _, output = attempt(container, "sh", "-c", SCRIPT)
    state, version, fabric, *_ = [*output.split(), "", "", ""]
    known_version = None if version in ("", "-") else version
    return NodeStatus(lab, name, state, known_version, port, fabric or None)
