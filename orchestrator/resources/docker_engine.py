"""A Docker Engine that does not answer any more on a machine that we have changed.

Two of our changes can keep dockerd from starting: the membership of a swarm whose address is gone,
and daemon.json. Undoing is tried in the order that loses least, and only as far as it is needed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from orchestrator.errors import ChangeError, RemoteError
from orchestrator.names import DAEMON_JSON, LOCK_FOLDER
from orchestrator.node.files import remove_file, write_through
from orchestrator.node.node import Node
from orchestrator.resources.base import Change, Resource, Stage, State, World, state_file
from orchestrator.templates import render_template

_STARTS_WITHIN = 45  # seconds, for each of the three attempts


@dataclass(frozen=True)
class DockerEngine(Resource):
    """Wanted running."""

    kind: ClassVar[str] = "engine"
    stage: ClassVar[Stage] = Stage.HOST
    journaled: ClassVar[bool] = False

    swarm: str | None
    """Folder with the state of our swarm; None when we have made none."""
    put_back: bool
    """Whether daemon.json has been changed by us."""
    former: State | None
    """daemon.json as it was before that; None when there was none."""

    def observe(self, world: World) -> State:
        return {"running": world[self.node].docker is not None}

    def desired(self, world: World) -> State:
        return {"running": True}

    def summary(self, before: State | None, after: State | None) -> str:
        return "start Docker"

    def notes(self, world: World, before: State | None, after: State | None) -> tuple[str, ...]:
        steps = []
        if self.put_back:
            steps.append("if it does not start: with the former daemon.json")
        if self.swarm is not None:
            steps.append("if it still does not start: without the state of our swarm")
        return tuple(steps)

    def apply(self, nodes: Mapping[str, Node], change: Change) -> None:
        node = nodes[self.node]
        try:
            node.script(self._script, deadline=3 * _STARTS_WITHIN + 60)
        except RemoteError as error:
            raise ChangeError(
                f"Docker on {self.node} does not start, whatever of ours is taken away",
                details=error.details,
                resolution="Fix what the lines above report, then run the command again.",
                node=self.node,
            ) from None
        finally:
            node.reset_docker()

    @property
    def _script(self) -> str:
        return render_template(
            "docker/start.sh.j2",
            lock_folder=LOCK_FOLDER,
            within=_STARTS_WITHIN,
            undo=_former(self.former) if self.put_back else None,
            swarm=self.swarm,
        )


def _former(file: State | None) -> str:
    """Shell: daemon.json as it was. A link is not what we made where there was none."""
    if file is None:
        return f"[ ! -L {DAEMON_JSON} ] || exit 0\n{remove_file(DAEMON_JSON)}"
    return write_through(DAEMON_JSON, state_file(file))
