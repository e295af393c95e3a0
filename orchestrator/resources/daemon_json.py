"""`/etc/docker/daemon.json`: the nvidia runtime, and the GPUs as Swarm's generic resources."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from orchestrator.errors import ChangeError, PreflightError
from orchestrator.facts.machine import Facts
from orchestrator.names import DAEMON_JSON
from orchestrator.node.files import File
from orchestrator.node.node import Node
from orchestrator.resources.base import (
    Change,
    Resource,
    Stage,
    State,
    World,
    file_state,
    members,
    state_file,
)
from orchestrator.resources.daemon_merge import merge, unmerge
from orchestrator.resources.docker_restart import Outcome, restart_with
from orchestrator.resources.masking import masked_words
from orchestrator.resources.replaceable import require_no_link, require_writable
from orchestrator.spec.cluster import ClusterSpec

_NO_FOLDER: State = {"folder": False}
"""Part of the state of a file that has no folder either."""


@dataclass(frozen=True)
class DaemonJson(Resource):
    """Merged, validated by dockerd itself, and active: a file that no daemon has read is not done.

    Docker is restarted only when the file changes or the running daemon does not have it yet.
    """

    kind: ClassVar[str] = "daemon.json"
    stage: ClassVar[Stage] = Stage.HOST
    place: ClassVar[int] = 30

    gpu_kind: str
    gpus: tuple[str, ...]

    @classmethod
    def wanted(cls, spec: ClusterSpec, world: World) -> Iterable[Self]:
        return [cls.on(facts, spec) for facts in members(spec, world)]

    @classmethod
    def on(cls, facts: Facts, spec: ClusterSpec) -> Self:
        """The one of this machine."""
        return cls(facts.node, spec.gpu.kind, tuple(gpu.uuid for gpu in facts.gpus))

    @property
    def ours(self) -> dict[str, Any]:
        """The keys that sparkctl puts into the file."""
        return {
            "runtimes": {"nvidia": {"path": "nvidia-container-runtime", "runtimeArgs": []}},
            "default-runtime": "nvidia",
            "node-generic-resources": [f"{self.gpu_kind}={uuid}" for uuid in self.gpus],
        }

    def observe(self, world: World) -> State:
        facts = world[self.node]
        state = {"file": file_state(facts.daemon_json), "active": self._active(facts)}
        return {**state, **_NO_FOLDER} if facts.daemon_folder == "absent" else state

    def desired(self, world: World) -> State:
        now = world[self.node].daemon_json
        base = now or File(b"", "644", 0, 0)
        content = merge(base.content if now else None, self.ours)
        state = {"file": file_state(File(content, base.mode, base.uid, base.gid)), "active": True}
        if state != self.observe(world):
            require_writable(world[self.node], DAEMON_JSON)
        return state

    def reverted(self, world: World, original: State | None, written: State) -> State:
        state = self._reverted(world, original, written)
        if state != self.observe(world):
            require_writable(world[self.node], DAEMON_JSON)
            if state["file"] is None:
                require_no_link(world[self.node], DAEMON_JSON)
        return state

    def _reverted(self, world: World, original: State | None, written: State) -> State:
        now = self.observe(world)["file"]
        was = None if original is None else original["file"]
        active = False if original is None else bool(original["active"])
        if now is None or now == written["file"] or now == was:
            return self._back(world, original, {"file": was, "active": active})
        try:
            content = unmerge(
                state_file(now).content, None if was is None else state_file(was).content, self.ours
            )
        except ValueError as error:
            raise PreflightError(
                f"{DAEMON_JSON} on {self.node} is not valid JSON",
                details=str(error),
                resolution="It was edited after `cluster up`. Fix it, then run `down` again.",
                node=self.node,
            ) from None
        file = None if content is None else {**now, "text": content.decode()}
        return self._back(world, original, {"file": file, "active": active})

    def summary(self, before: State | None, after: State | None) -> str:
        file = None if after is None else after["file"]
        if file is None:
            folder = " and its folder" if after is not None and "folder" in after else ""
            return f"remove the file{folder}; restart Docker"
        if before is not None and before["file"] == file:
            return "the file is right; restart Docker so that it counts"
        if after is not None and not after["active"]:
            return "put the file back; restart Docker"
        gpus = ", ".join(self.ours["node-generic-resources"])
        return f"nvidia runtime as default, {gpus}; restart Docker"

    def notes(self, world: World, before: State | None, after: State | None) -> tuple[str, ...]:
        facts = world[self.node]
        if facts.docker_from:
            return (f"Docker is {facts.docker_from} now: the file alone, nothing is restarted",)
        running = [name for name in facts.run_containers if name in facts.containers]
        if not running:
            return ()
        return (f"the restart stops {len(running)} training containers: {', '.join(running)}",)

    def apply(self, nodes: Mapping[str, Node], change: Change) -> None:
        node = nodes[self.node]
        file = None if change.after is None else change.after["file"]
        try:
            done = restart_with(
                node,
                None if file is None else state_file(file),
                with_folder=change.after is None or "folder" not in change.after,
            )
        finally:
            node.reset_docker()
        if done.outcome is not Outcome.DONE:
            failure = _FAILED[done.outcome]
            raise ChangeError(
                failure.brief.format(node=self.node),
                details=masked_words(done.lines) or None,
                resolution=failure.resolution,
                node=self.node,
            )

    def absent(self, state: State | None) -> bool:
        return state is None or state.get("file", True) is None

    def _back(self, world: World, original: State | None, state: State) -> State:
        """Without the folder too, if it came with the file and nothing else is in it."""
        goes = original is not None and "folder" in original and state["file"] is None
        return (
            {**state, **_NO_FOLDER}
            if goes and world[self.node].daemon_folder != "shared"
            else state
        )

    def _active(self, facts: Facts) -> bool:
        info = facts.docker or {}
        named = [r.get("NamedResourceSpec") or {} for r in info.get("GenericResources") or []]
        announced = {(r.get("Kind"), r.get("Value")) for r in named}
        return info.get("DefaultRuntime") == "nvidia" and announced >= {
            (self.gpu_kind, uuid) for uuid in self.gpus
        }


@dataclass(frozen=True)
class _Failure:
    brief: str
    resolution: str


_FAILED = {
    Outcome.REFUSED: _Failure(
        "Docker on {node} would not start with the new daemon.json",
        "Nothing was replaced, and Docker was not restarted. Fix what the lines above report, then "
        "run the command again.",
    ),
    Outcome.PUT_BACK: _Failure(
        "Docker on {node} did not start with the new daemon.json",
        "The former file is back, and Docker runs with it. Fix what the lines above report, "
        "then run the command again.",
    ),
    Outcome.DEFAULTS: _Failure(
        "Docker on {node} starts neither with the new daemon.json nor with the one that was there",
        f"{DAEMON_JSON} is as it was, and Docker runs without it (it keeps its data-root) until "
        "you have fixed what the lines above report. Then run the command again.",
    ),
    Outcome.DOWN: _Failure(
        "Docker on {node} does not start any more",
        f"{DAEMON_JSON} is as it was. Fix what the lines above report, `systemctl restart docker`, "
        "then run the command again.",
    ),
}
