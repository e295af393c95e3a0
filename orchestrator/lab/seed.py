"""The training image for every node, without a copy per node.

Loading an image of a gigabyte into a node's engine takes half a minute, and as much disk again. So
it is loaded once, by an engine in a container of its own, whose /var/lib/docker is a volume: the
seed. Nodes mount the seed read-only and take the layers from there (files/node, `seed`).

That container stays when it is done: its name is the lock that keeps two labs from filling one seed
at a time, and its exit code 0 means that the seed is whole.
"""

import json
from contextlib import suppress

from docker import DockerClient
from docker.errors import APIError, ContainerError, NotFound
from docker.models.containers import Container

from orchestrator.errors import LabError
from orchestrator.lab import labels
from orchestrator.lab.context import digest
from orchestrator.lab.engine import Privileges
from orchestrator.lab.wait import until

FORMAT = "1"
"""Changes when the seeds of earlier versions are of no use any more."""

LOAD_SECONDS = 600
"""Seconds for filling a seed; it takes about 30 on an idle machine."""

MARK = {labels.LAB: labels.SHARED}

PACK = "exec tar --one-file-system --exclude=./seed --exclude=./.dockerenv -C / -c . >/seed/pipe"


def volume_of(train_image: str) -> str:
    """The name of the volume with that image loaded."""
    return f"sparkctl-lab-seed-{digest(FORMAT, train_image)}"


def ensure(client: DockerClient, node_image: str, train_image: str, privileges: Privileges) -> str:
    """The name of the volume with `train_image` loaded, filled if it is not there.

    Raises:
        LabError: the image could not be loaded.
    """
    name = volume_of(train_image)
    while True:
        keeper = _find(client, name)
        if keeper is None:
            with suppress(APIError):  # a volume whose container was pruned, perhaps still in use
                discard(client, name)
            keeper = _keeper(client, name, node_image, train_image, privileges)
            if keeper is None:  # somebody else was faster by a moment
                continue
            _fill(client, keeper, name, train_image)
            return name
        if keeper.status == "running":  # another lab is at it
            until(
                lambda: _has_ended(client, name),
                what="loading of the image",
                deadline_seconds=LOAD_SECONDS,
            )
        elif keeper.status == "exited" and keeper.attrs["State"]["ExitCode"] == 0:
            return name
        else:
            discard(client, name)


def _find(client: DockerClient, name: str) -> Container | None:
    try:
        return client.containers.get(name)
    except NotFound:
        return None


def _has_ended(client: DockerClient, name: str) -> bool:
    keeper = _find(client, name)
    return keeper is None or keeper.status != "running"


def _keeper(
    client: DockerClient, name: str, node_image: str, train_image: str, privileges: Privileges
) -> Container | None:
    """The started container that loads the image; None when there is one already."""
    client.volumes.create(name, labels=MARK)
    try:
        created = client.api.create_container(
            node_image,
            name=name,
            entrypoint=["/usr/lib/sparkctl-lab/load-seed"],
            command=[train_image, *_changes(client, train_image)],
            labels=MARK,
            host_config=privileges.host_config(
                client, binds=[f"{name}:/var/lib/docker"], network_mode="none"
            ),
        )
    except APIError as error:
        if error.status_code == 409:
            return None
        raise
    keeper = client.containers.get(created["Id"])
    keeper.start()
    return keeper


def _changes(client: DockerClient, image: str) -> list[str]:
    """Options of `docker import` that give the loaded image its settings back."""
    config = client.images.get(image).attrs["Config"]
    lines = [
        f"ENV {key}={json.dumps(value)}"
        for key, _, value in (entry.partition("=") for entry in config.get("Env") or [])
    ]
    if config.get("Cmd"):
        lines.append(f"CMD {json.dumps(config['Cmd'])}")
    return [word for line in lines for word in ("--change", line)]


def _fill(client: DockerClient, keeper: Container, name: str, train_image: str) -> None:
    try:
        client.containers.run(
            train_image,
            entrypoint=["/bin/sh", "-c", PACK],
            volumes={name: {"bind": "/seed", "mode": "rw"}},
            network_mode="none",
            labels=MARK,
            remove=True,
        )
        code = keeper.wait(timeout=LOAD_SECONDS)["StatusCode"]
        if code != 0:
            raise LabError(
                "cannot load the training image", details=keeper.logs(tail=20).decode("utf-8")
            )
    except (LabError, ContainerError, APIError) as error:
        discard(client, name)
        if isinstance(error, LabError):
            raise
        raise LabError("cannot load the training image", details=str(error)) from error


def discard(client: DockerClient, name: str) -> None:
    """Remove a seed, whole or not."""
    with suppress(NotFound):
        client.containers.get(name).remove(force=True)
    with suppress(NotFound):
        client.volumes.get(name).remove(force=True)
