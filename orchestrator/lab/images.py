"""What the lab's images have in common: found by tag, built once, labelled as shared."""

import io
from collections.abc import Iterable
from pathlib import Path

from docker import DockerClient
from docker.errors import APIError, BuildError, ImageNotFound

from orchestrator.errors import LabError
from orchestrator.lab import labels


def present(client: DockerClient, tag: str) -> bool:
    """Whether the engine has an image of that tag."""
    try:
        client.images.get(tag)
    except ImageNotFound:
        return False
    return True


def build(
    client: DockerClient, context: bytes, tag: str, arguments: dict[str, str] | None = None
) -> None:
    """`docker build` of a tar archive.

    Raises:
        LabError: a step failed; the end of the build's output is in the details.
    """
    try:
        client.images.build(
            fileobj=io.BytesIO(context),
            custom_context=True,
            tag=tag,
            buildargs=arguments or {},
            labels={labels.LAB: labels.SHARED},
            rm=True,
            forcerm=True,
        )
    except BuildError as error:
        raise LabError(f"cannot build {tag}", details=_tail(error.build_log)) from error
    except APIError as error:
        raise LabError(f"cannot build {tag}", details=str(error)) from error


def extend(client: DockerClient, base: str, tar: Path, tag: str) -> None:
    """Unpack a tar over an image of the lab and commit the result: faster than a build's COPY.

    Raises:
        LabError: the engine refused.
    """
    name, _, version = tag.partition(":")
    container = client.containers.create(base, command=["true"], network_mode="none")
    try:
        with tar.open("rb") as stream:
            container.put_archive("/", stream)
        container.commit(repository=name, tag=version)
    except APIError as error:
        raise LabError(f"cannot make {tag}", details=str(error)) from error
    finally:
        container.remove(force=True)


def _tail(log: Iterable[object]) -> str:
    lines = [str(entry.get("stream", "")) for entry in log if isinstance(entry, dict)]
    return "".join(lines)[-2000:].strip()
