"""`swarm-resource` in the container runtime's config.toml.

It names the environment variable through which Swarm gives the NVIDIA runtime a task's GPU. Swarm
makes that name from the resource kind (`NVIDIA_GPU` -> `DOCKER_RESOURCE_NVIDIA_GPU`), so one value
drives both; the stock line has `DOCKER_RESOURCE_GPU`, which matches no kind the playbook uses.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

from orchestrator.errors import PreflightError
from orchestrator.facts.machine import Facts
from orchestrator.names import RUNTIME_CONFIG
from orchestrator.node.files import File, remove_file, write_through
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
from orchestrator.resources.replaceable import require_no_link, require_writable
from orchestrator.spec.cluster import ClusterSpec

_ACTIVE = re.compile(
    r"""^[ \t]*(?P<key>["']?)swarm-resource(?P=key)[ \t]*="""
    r"""[ \t]*(?P<quote>["'])(?P<names>[^"'\n]*)(?P=quote)[^\n]*$""",
    re.MULTILINE,
)
_STOCK = re.compile(r"^[ \t]*#[ \t]*swarm-resource[ \t]*=[^\n]*$", re.MULTILINE)
_TABLE = re.compile(r"^[ \t]*\[", re.MULTILINE)


def with_resource(text: str, variable: str) -> str:
    """The config with `variable` among its swarm resources; unchanged when it already is.

    Only the top level counts, what follows the first `[table]` is another key. Raises ValueError
    where the result would not be TOML that differs in this key alone.
    """
    written = _with_resource(text, variable)
    _require(text, written, variable)
    return written


def _require(text: str, written: str, variable: str) -> None:
    """Whether a line can be read by a regular expression depends on how it is written."""
    before = tomllib.loads(text)
    had = _split_names(str(before.get("swarm-resource", "")))
    try:
        after = tomllib.loads(written)
    except tomllib.TOMLDecodeError:
        after = {}
    has = _split_names(str(after.pop("swarm-resource", "")))
    before.pop("swarm-resource", None)
    if after != before or has != had + [variable] * (variable not in had):
        raise ValueError("swarm-resource is written there in a way that sparkctl cannot edit")


def _with_resource(text: str, variable: str) -> str:
    head, tail = _split(text)
    active = _ACTIVE.search(head)
    if active:
        names = _names(active)
        if variable in names:
            return text
        return head[: active.start()] + _line([*names, variable]) + head[active.end() :] + tail
    line = _line([variable])
    stock = _STOCK.search(head)
    if stock:
        return head[: stock.start()] + line + head[stock.end() :] + tail
    return f"{line}\n{text}"


def without_resource(text: str, variable: str, original: str) -> str:
    """`text`, which the user has edited since, with our line as it was in `original`."""
    head, tail = _split(text)
    now = _ACTIVE.search(head)
    if now is None or variable not in _names(now):
        return text
    original_head = _split(original)[0]
    was = _ACTIVE.search(original_head)
    had = _names(was) if was else []
    kept = [name for name in _names(now) if name != variable or name in had]
    if kept and kept != had:
        line = _line(kept)
    else:
        before = was or _STOCK.search(original_head)
        line = before[0] if before else ""
    rest = head[now.end() :]
    return head[: now.start()] + line + (rest if line else rest.removeprefix("\n")) + tail


def _names(line: re.Match[str]) -> list[str]:
    return _split_names(line["names"])


def _split_names(names: str) -> list[str]:
    return [name.strip() for name in names.split(",") if name.strip()]


def _line(names: list[str]) -> str:
    return f'swarm-resource = "{",".join(names)}"'


def _split(text: str) -> tuple[str, str]:
    table = _TABLE.search(text)
    cut = table.start() if table else len(text)
    return text[:cut], text[cut:]


@dataclass(frozen=True)
class SwarmResource(Resource):
    """The line in the file; all else in the file stays as it is."""

    kind: ClassVar[str] = "swarm-resource"
    stage: ClassVar[Stage] = Stage.HOST
    place: ClassVar[int] = 20

    variable: str

    @classmethod
    def wanted(cls, spec: ClusterSpec, world: World) -> Iterable[Self]:
        return [cls.on(facts, spec) for facts in members(spec, world)]

    @classmethod
    def on(cls, facts: Facts, spec: ClusterSpec) -> Self:
        """The one of this machine."""
        return cls(facts.node, spec.gpu.resource_variable)

    def observe(self, world: World) -> State | None:
        return file_state(world[self.node].runtime_config)

    def desired(self, world: World) -> State | None:
        now = world[self.node].runtime_config or File(b"", "644", 0, 0)
        try:
            text = with_resource(now.content.decode(), self.variable)
        except ValueError as error:
            raise PreflightError(
                f"{RUNTIME_CONFIG} on {self.node} cannot be changed",
                details=str(error),
                resolution="Write the key as one line at the top of the file, "
                f'`swarm-resource = "{self.variable}"`, or regenerate the file with '
                "`nvidia-ctk config`.",
                node=self.node,
            ) from None
        state = file_state(File(text.encode(), now.mode, now.uid, now.gid))
        if state != self.observe(world):
            require_writable(world[self.node], RUNTIME_CONFIG)
        return state

    def reverted(self, world: World, original: State | None, written: State) -> State | None:
        state = self._reverted(world, original, written)
        if state != self.observe(world):
            require_writable(world[self.node], RUNTIME_CONFIG)
            if state is None:
                require_no_link(world[self.node], RUNTIME_CONFIG)
        return state

    def _reverted(self, world: World, original: State | None, written: State) -> State | None:
        now = self.observe(world)
        if now is None or now == written:
            return original
        before = "" if original is None else original["text"]
        text = without_resource(now["text"], self.variable, before)
        try:
            tomllib.loads(text if text != now["text"] else "")
        except tomllib.TOMLDecodeError as error:
            raise PreflightError(
                f"{RUNTIME_CONFIG} on {self.node} is not valid TOML",
                details=str(error),
                resolution="It was edited after `cluster up`. Fix it, then run `down` again.",
                node=self.node,
            ) from None
        return {**now, "text": text}

    def summary(self, before: State | None, after: State | None) -> str:
        if after is None:
            return f"remove {RUNTIME_CONFIG}"
        line = _ACTIVE.search(_split(after["text"])[0])
        return line[0].strip() if line else "swarm-resource as it was"

    def apply(self, nodes: Mapping[str, Node], change: Change) -> None:
        if change.after is None:
            nodes[self.node].script(remove_file(RUNTIME_CONFIG))
        else:
            nodes[self.node].script(write_through(RUNTIME_CONFIG, state_file(change.after)))
