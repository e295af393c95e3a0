"""Put a rendered run onto the swarm, and take it off again."""

import secrets as random
import shlex
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

from orchestrator.names import LABEL_RUN
from orchestrator.node.docker_errors import translate_docker_errors
from orchestrator.node.files import File, write_file
from orchestrator.node.node import Node
from orchestrator.stack.ranks import Rank
from orchestrator.stack.render import Rendered
from orchestrator.stack.tasks import newest_tasks, read_tasks
from orchestrator.templates import render_template
from training.contract.files import RECORDS, STOP, RankFiles

_EXIT = 30.0
"""Seconds from the verdict until the last rank has exited: a hook may take 20 of them."""
_POLL = 0.2
"""Poll interval in seconds."""


def write_run_folder(
    node: Node, rank: Rank, run: str, files: Mapping[str, str], *, is_new: bool = True
) -> None:
    """The folder that the rank's container binds (Swarm does not make it), and, where no container
    can write, what is to be remembered of the run: `files`.

    `is_new`: the folder must not be there, and nothing of it stays when this fails. Else the run is
    resumed: its stop request and verdicts are removed, all else stays.
    """
    folder, record = _folders(rank, run)
    writes = [
        write_file(f"{record}/{name}", File(text.encode(), "600", int(rank.uid), int(rank.gid)))
        for name, text in files.items()
    ]
    script = render_template(
        "stack/run_folder.sh.j2",
        is_new=is_new,
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
        with translate_docker_errors(manager.name):
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
    from docker.errors import NotFound  # the client has imported it

    with translate_docker_errors(manager.name):
        for kind in (client.services, client.configs, client.secrets):
            for thing in kind.list(filters=mine):
                with suppress(NotFound):  # somebody else who saw the end was quicker
                    thing.remove()


def wait_for_exit(manager: Node, run: str, *, sleep: Callable[[float], None] = time.sleep) -> None:
    """Wait until all ranks of a run that has a verdict have exited, or the deadline has passed.

    They run their hooks first (`gang.hooks`), and hold the GPUs until they exit.
    """

    def any_running() -> bool:
        tasks = newest_tasks(read_tasks(manager, run)).get(run, ())
        return any(task.state == "running" for task in tasks)

    end = time.monotonic() + _EXIT
    while any_running() and time.monotonic() < end:
        sleep(_POLL)
