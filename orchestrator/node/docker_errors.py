"""Translate errors of the Docker SDK. Does not import it: that takes as long as a command."""

from collections.abc import Iterator
from contextlib import contextmanager

from orchestrator.errors import RemoteError


def is_of_docker(error: Exception) -> bool:
    """Whether the SDK, or a layer below it, raised this."""
    if isinstance(error, OSError):  # requests raises these
        return True
    from docker.errors import DockerException  # who raised it has imported it

    return isinstance(error, DockerException)


@contextmanager
def translate_docker_errors(node_name: str) -> Iterator[None]:
    """Raise what the SDK and the layers below it raise as a RemoteError."""
    try:
        yield
    except Exception as error:
        if not is_of_docker(error):
            raise
        raise RemoteError(
            f"the Docker Engine of {node_name} refused, or does not answer",
            details=str(getattr(error, "explanation", None) or error),
            resolution="On the machine: `systemctl status docker`, `journalctl -u docker -n 50`.",
            node=node_name,
        ) from None
