"""Put a rendered run onto the swarm, and take it off again."""

import secrets as random
import shlex
import time
from collections.abc import Callable, Mapping

from orchestrator.names import LABEL_RUN
from orchestrator.node.docker_trouble import docker_trouble
from orchestrator.node.files import File, write_file
from orchestrator.node.node import Node
from orchestrator.stack.ranks import Rank
from orchestrator.stack.render import Rendered
from orchestrator.stack.tasks import newest_tasks, read_tasks
from orchestrator.templates import rendered as template
from training.contract.files import RECORDS, STOP, RankFiles

_LEAVE = 30.0
"""Seconds from the verdict until the last rank has left: a hook may take 20 of them."""
_LOOK = 0.2


def write_run_folder(
    node: Node, rank: Rank, run: str, files: Mapping[str, str], *, anew: bool = True
) -> None:
    """The folder that the rank's container binds (Swarm does not make it), and, where no container
    can write, what is to be remembered of the run: `files`.

    `anew`: the folder must not be there, and nothing of it stays when this fails. Else the run goes
    on: what ended it goes, all else stays.
    """
    folder, record = _folders(rank, run)
    writes = [
        write_file(f"{record}/{name}", File(text.encode(), "600", int(rank.uid), int(rank.gid)))
        for name, text in files.items()
    ]
    script = template(
        "stack/run_folder.sh.j2",
        anew=anew,
        folder=folder,
        take_away=shlex.join(["rm", "-rf", folder, record]),
        ended_by=(STOP, RankFiles.any_verdict),
        kept=(f"{rank.runs}/{RECORDS}", record),
        owner=f"{rank.uid}:{rank.gid}",
        writes=writes,
    )
    node.script(script, need="docker")


def remove_run_folder(node: Node, rank: Rank, run: str) -> None:
    """What `write_run_folder` has made of a run that no rank of which has begun."""
    folder, record = _folders(rank, run)
    begun = shlex.quote(f"{folder}/{RankFiles(rank.rank).log}")
    node.script(f"[ -e {begun} ] || {shlex.join(['rm', '-rf', folder, record])}", need="docker")


def _folders(rank: Rank, run: str) -> tuple[str, str]:
    """That of the run, and that of its record."""
    return f"{rank.runs}/{run}", f"{rank.runs}/{RECORDS}/{run}"


def deploy(manager: Node, rendered: Rendered, secrets: Mapping[str, str]) -> None:
    """Configs and secrets over the API, then the real `docker stack deploy`.

    When the deploy fails nothing of the run stays behind.
    """
    labels = {LABEL_RUN: rendered.run}
    client = manager.docker
    try:
        with docker_trouble(manager.name):
            for config in rendered.configs:
                client.configs.create(name=config.name, data=config.content.encode(), labels=labels)
            for name, stored in rendered.secrets:
                client.secrets.create(name=stored, data=secrets[name].encode(), labels=labels)
            nonce = random.token_hex(32).encode()
            client.secrets.create(name=rendered.nonce, data=nonce, labels=labels)
        manager.docker_cli(
            "stack", "deploy", "--resolve-image", "never", "-c", "-", rendered.run,
            stdin=rendered.compose.encode(),
        )  # fmt: skip
    except BaseException:
        remove(manager, rendered.run)
        raise


def remove(manager: Node, run: str) -> None:
    """End all ranks of the run and free what it reserved. What it wrote on the nodes stays."""
    client, mine = manager.docker, {"label": f"{LABEL_RUN}={run}"}
    with docker_trouble(manager.name):
        for service in client.services.list(filters=mine):
            service.remove()
        for config in client.configs.list(filters=mine):
            config.remove()
        for secret in client.secrets.list(filters=mine):
            secret.remove()


def let_leave(manager: Node, run: str, *, sleep: Callable[[float], None] = time.sleep) -> None:
    """Wait until all ranks of a run that has a verdict have left by themselves, or long enough.

    They tell it to others first (`gang.hooks`), and hold the GPUs until they are gone.
    """

    def in_place() -> bool:
        tasks = newest_tasks(read_tasks(manager, run)).get(run, ())
        return any(task.state == "running" for task in tasks)

    end = time.monotonic() + _LEAVE
    while in_place() and time.monotonic() < end:
        sleep(_LOOK)
