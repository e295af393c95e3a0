"""The training image: base image + what the engine puts into it, tag = content hash.

Built on every node from the same bytes, so nothing is installed when a run starts. Copying an image
from node to node comes beside this later.
"""

import contextlib
import hashlib
import io
import tarfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orchestrator.errors import RunError
from orchestrator.names import IMAGE, LABEL_IMAGE
from orchestrator.node.node import Node

if TYPE_CHECKING:
    from docker import DockerClient

_QUIET = 5.0  # seconds between two lines of progress


@dataclass(frozen=True)
class ImageRecipe:
    """What the image is made of."""

    base: str
    context: bytes
    """A tar archive, the same bytes for the same sources."""

    @property
    def digest(self) -> str:
        """Hash over the context and the name of the base image."""
        return hashlib.sha256(self.base.encode() + b"\0" + self.context).hexdigest()[:12]

    @property
    def tag(self) -> str:
        """Image reference."""
        return f"{IMAGE}:{self.digest}"


def image_recipe(base: str, contents: Mapping[str, bytes]) -> ImageRecipe:
    """The recipe from the files that an engine is built from, by path; one is `Dockerfile`."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path, content in contents.items():
            _add(archive, path, content)
    return ImageRecipe(base, buffer.getvalue())


def ensure_image(node: Node, recipe: ImageRecipe, on_progress: Callable[[str], None]) -> str:
    """Build the image unless the node has it; `on_progress` gets a line now and then.

    An image that only has its name is another one: it must carry our label, too.

    Returns its ID there: nodes build for themselves, so each has its own.
    """
    from docker.errors import ImageNotFound  # node.docker imports it, and takes a while

    client = node.docker
    with contextlib.suppress(ImageNotFound):
        there = client.images.get(recipe.tag)
        if there.labels.get(LABEL_IMAGE) == recipe.digest:
            return str(there.id)
    lines: list[str] = []
    began = spoke = time.monotonic()
    on_progress(f"building {recipe.tag}")
    for event in _build(client, recipe):
        for line in str(event.get("stream") or event.get("status") or "").splitlines():
            if line.strip():
                lines.append(line)
                if time.monotonic() - spoke > _QUIET:
                    on_progress(line.strip()[:100])
                    spoke = time.monotonic()
        if "error" in event:
            raise RunError(
                f"the training image could not be built on {node.name}",
                details="\n".join([*lines[-12:], str(event["error"])]),
                resolution=f"Base image: {recipe.base}. The node needs to reach its registry and "
                "the Python package index once; a base image of your own: container.base_image. "
                "Where the registry wants a login: logins of this computer are never sent, so on "
                f"the node `docker login`, then `docker pull {recipe.base}`.",
                node=node.name,
            )
    built = str(client.images.get(recipe.tag).id)
    on_progress(f"built in {time.monotonic() - began:.1f} s")
    return built


def _build(client: "DockerClient", recipe: ImageRecipe) -> Iterator[dict[str, Any]]:
    events: Iterator[dict[str, Any]] = client.api.build(
        fileobj=io.BytesIO(recipe.context),
        custom_context=True,
        tag=recipe.tag,
        buildargs={"BASE_IMAGE": recipe.base},
        labels={LABEL_IMAGE: recipe.digest},
        rm=True,
        forcerm=True,
        decode=True,
        timeout=3600,
    )
    return events


def _add(archive: tarfile.TarFile, path: str, content: bytes) -> None:
    info = tarfile.TarInfo(path)
    info.size = len(content)
    info.mode = 0o755 if path.endswith(".sh") else 0o644
    archive.addfile(info, io.BytesIO(content))
