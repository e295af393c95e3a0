"""The base image on one node: there or pulled, and what it is, for nodes to compare."""

import hashlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from docker import DockerClient


def pulled(client: "DockerClient", base: str) -> Iterator[dict[str, Any]]:
    """Pull the image unless the node has it; what the engine says on the way, a refusal too."""
    from docker.errors import APIError, ImageNotFound

    try:
        client.images.get(base)
    except ImageNotFound:
        try:
            yield from client.api.pull(base, stream=True, decode=True)
        except APIError as refused:
            yield {"error": refused.explanation or str(refused)}


def base_id(inspected: Mapping[str, Any]) -> str:
    """What an image holds, of what `docker image inspect` says: a hash over its layers' content.

    An image's ID is another one in each of Docker's image stores, and a digest of a registry is
    missing where the image was loaded from a file. The layers are the same everywhere.
    """
    layers = inspected.get("RootFS", {}).get("Layers") or [inspected["Id"]]
    return "sha256:" + hashlib.sha256("\n".join(layers).encode()).hexdigest()
