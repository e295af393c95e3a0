"""Translate errors of the Docker SDK. Does not import it: that takes as long as a command."""

from collections.abc import Iterator
from contextlib import contextmanager

from orchestrator.errors import RemoteError


@contextmanager
def translate_docker_errors(node_name: str) -> Iterator[None]:
    """Raise what the SDK and the layers below it raise as a RemoteError."""
    try:
        yield
    except Exception as error:
        from docker.errors import DockerException  # who raised it has imported it

        if not isinstance(error, DockerException | OSError):  # requests raises OSErrors
            raise
        raise RemoteError(
            f"the Docker Engine of {node_name} refused, or does not answer",
            details=str(getattr(error, "explanation", None) or error),
            resolution="On the machine: `systemctl status docker`, `journalctl -u docker -n 50`.",
            node=node_name,
        ) from None
