"""Taking a lab away: everything that carries its label, and nothing else."""

import shutil
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path

from docker import DockerClient
from docker.errors import APIError, ContainerError, NotFound
from docker.models.containers import Container

from orchestrator.lab import cluster_file, engine, labels, network, node, seed
from orchestrator.lab.lab import in_parallel
from orchestrator.lab.spec import check_name, state_folder
from orchestrator.lab.wait import until


def down(name: str, *, out: Path | None = None, shared: bool = False) -> int:
    """Remove the lab's nodes, volumes, networks, keys and cluster file; how many nodes there were.

    The cluster file's place is known from the networks; `out` is looked at as well, for a lab of
    which only the files are left. With `shared`, the images that all labs use go too, unless a
    lab uses them.

    Raises:
        LabError: no engine answers.
    """
    check_name(name)
    with engine.connected() as client:
        places = network.out_files(client, name) | ({out.absolute()} if out else set())
        nodes = list(node.all_of(client, name))
        in_parallel(_remove, nodes)
        _forget_cgroups(client, nodes)
        for volume in client.volumes.list(filters=labels.of_lab(name)):
            with suppress(NotFound):
                volume.remove(force=True)
        network.remove(client, name)
        for place in places:
            _remove_files(place, name)
        if shared:
            remove_shared(client)
    return len(nodes)


def names() -> set[str]:
    """The names of all labs on this engine of which anything is left.

    Raises:
        LabError: no engine answers.
    """
    with engine.connected() as client:
        marked = [
            *(
                c.labels
                for c in client.containers.list(all=True, filters=labels.ANY, ignore_removed=True)
            ),
            *((n.attrs or {})["Labels"] for n in client.networks.list(filters=labels.ANY)),
            *((v.attrs or {})["Labels"] for v in client.volumes.list(filters=labels.ANY)),
        ]
    return {marks[labels.LAB] for marks in marked} - {labels.SHARED}


def _remove(container: Container) -> None:
    """Somebody else may be taking the same lab away: then the end of that is waited for."""
    try:
        container.remove(force=True, v=True)
    except NotFound:
        return
    except APIError as error:
        if error.status_code != HTTPStatus.CONFLICT:
            raise
        until(lambda: _is_gone(container), what=f"end of {container.name}", deadline_seconds=60)


def _is_gone(container: Container) -> bool:
    try:
        container.reload()
    except NotFound:
        return True
    return False


def _remove_files(out: Path, lab: str) -> None:
    if cluster_file.is_ours(out, lab):
        out.unlink()
    state = state_folder(out, lab)
    shutil.rmtree(state, ignore_errors=True)
    if state.parent.is_dir() and not any(state.parent.iterdir()):
        state.parent.rmdir()


def _forget_cgroups(client: DockerClient, nodes: list[Container]) -> None:
    """On a cgroup v1 engine a node made a cgroup that outlives it (see files/node, `init`)."""
    if not nodes or str(client.info().get("CgroupVersion")) != "1":
        return
    image = nodes[0].attrs["Image"]
    names = [f"{c.labels[labels.LAB]}-{c.labels[labels.NODE]}" for c in nodes]
    # An empty cgroup is a matter of tidiness: never a reason to leave the rest of the lab behind.
    with suppress(APIError, ContainerError):
        client.containers.run(
            image,
            entrypoint=["/usr/lib/sparkctl-lab/forget-cgroups"],
            command=names,
            cap_add=["SYS_ADMIN"],
            security_opt=["seccomp=unconfined", "apparmor=unconfined"],
            network_mode="none",
            labels={labels.LAB: labels.SHARED},
            remove=True,
        )


def remove_shared(client: DockerClient) -> None:
    """Remove what the labs share; what a lab still uses stays.

    An image that somebody made from one of ours has inherited the label, but not the name.
    """
    mine = labels.of_lab(labels.SHARED)
    for volume in client.volumes.list(filters=mine):
        users = client.containers.list(
            all=True, filters={"volume": volume.name}, ignore_removed=True
        )
        if all(user.name == volume.name and user.status != "running" for user in users):
            seed.discard(client, volume.name)
    in_use = {c["ImageID"] for c in client.api.containers(all=True)}
    for image in client.images.list(filters=mine):
        if image.id not in in_use:
            for tag in image.tags:
                if tag.startswith("sparkctl-lab/"):
                    client.images.remove(tag)
