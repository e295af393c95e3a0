"""Commands on a node from outside, through the outer engine: not over SSH, always as root."""

import shlex

from docker.models.containers import Container

from orchestrator.errors import LabError


def attempt(
    container: Container, *command: str, env: dict[str, str] | None = None
) -> tuple[int, str]:
    """Exit code and output (both streams) of a command on a node."""
    code, output = container.exec_run(list(command), environment=env)
    assert isinstance(output, bytes), "neither streamed nor demultiplexed"
    return int(code or 0), output.decode(errors="replace")


def run(container: Container, *command: str, env: dict[str, str] | None = None) -> str:
    """Output of a command on a node.

    Raises:
        LabError: its exit code is not 0.
    """
    code, text = attempt(container, *command, env=env)
    if code != 0:
        raise LabError(
            f"`{shlex.join(command)}` failed on {container.name} (exit code {code})", details=text
        )
    return text
