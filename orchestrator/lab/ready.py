"""Waiting for a node: its boot, its engine, its SSH server."""

from docker.errors import APIError
from docker.models.containers import Container

from orchestrator.errors import LabError
from orchestrator.lab import ports
from orchestrator.lab.execute import attempt
from orchestrator.lab.node import ssh_port
from orchestrator.lab.wait import until

BOOT_SECONDS = 90
"""Seconds for a boot; it takes 3 on an idle machine."""
SSH_SECONDS = 15
"""Seconds for the SSH server to speak after the boot."""


def wait_ready(container: Container, name: str) -> str:
    """Wait until the node can be used; systemd's own word for its state.

    Ready means: systemd has ended its boot, the engine answers, and so does the SSH server.
    `degraded` is a node of which some unit failed.

    Raises:
        LabError: not ready in time; the end of the node's journal is in the details.
    """
    try:
        state = until(
            lambda: _booted(container), what=f"boot of {name}", deadline_seconds=BOOT_SECONDS
        )
        port = ssh_port(container)
        until(
            lambda: ports.ssh_banner(port),
            what=f"SSH server of {name}",
            deadline_seconds=SSH_SECONDS,
        )
    except (LabError, APIError) as error:
        raise LabError(
            f"{name} is not ready: {error}", details=_last_words(container), node=name
        ) from error
    return state


def _booted(container: Container) -> str | None:
    script = "systemctl is-system-running; docker version --format '{{.Server.Version}}'"
    code, output = attempt(container, "sh", "-c", script)
    state, *_ = output.split() or [""]
    return state if code == 0 and state in ("running", "degraded") else None


def _last_words(container: Container) -> str:
    container.reload()
    if container.status != "running":
        return container.logs(tail=20).decode(errors="replace")
    script = "systemctl --failed --plain --no-legend; journalctl --no-pager -n 20"
    return attempt(container, "sh", "-c", script)[1]
