"""A folder on the machine, and the folders above it that were not there."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import ClassVar, Self

from orchestrator.errors import PreflightError
from orchestrator.facts.folders import Folder, NoFolder
from orchestrator.node.node import Node
from orchestrator.resources.base import Change, Resource, Stage, State, WayBack, World, members
from orchestrator.spec.cluster import ClusterSpec
from orchestrator.templates import render_template

_HERE: State = {"present": True}

ALL = ("*",)
_FIRST_CONTAINERS = ("tiny-llama-" + 16 * "[0-9a-f]", "home", "huggingface")
"""What runs made in the cache when they saw all of it, beside whatever the user had put there."""


@dataclass(frozen=True)
class Directory(Resource):
    """Made with all its missing parents, owned by the login user.

    On the way back the parents that we made go too, when they are empty. The folder itself goes
    when nothing is in it but what is of our `made`; that is looked at only when it is `disposable`
    (a cache of ours). What a training run has produced, or a model that the user may want, is never
    removed in passing. What is mounted there, and a folder that is a link now, is left altogether.
    """

    kind: ClassVar[str] = "directory"
    stage: ClassVar[Stage] = Stage.HOST
    place: ClassVar[int] = 40
    apart: ClassVar[bool] = True

    path: str
    disposable: bool
    made: tuple[str, ...] = _FIRST_CONTAINERS
    """Patterns of names; a record without is of the time when containers saw the whole cache."""

    @classmethod
    def wanted(cls, spec: ClusterSpec, world: World) -> Iterable[Self]:
        paths = spec.paths
        for facts in members(spec, world):
            yield cls(facts.node, paths.runs, disposable=False)
            yield cls(facts.node, paths.data, disposable=False)
            yield cls(facts.node, paths.own_cache, disposable=True, made=ALL)
            yield cls(facts.node, paths.hub, disposable=False)

    @property
    def name(self) -> str:
        return f"{self.kind}:{self.path}"

    def observe(self, world: World) -> State:
        folder = self._seen(world)
        if isinstance(folder, NoFolder):
            return {"present": False, "nearest": folder.nearest}
        ours = [name for name in folder.entries if self._is_ours(name)]
        return {**_HERE, "made": ours} if ours and self.made != ALL else _HERE

    def desired(self, world: World) -> State:
        folder = self._seen(world)
        if isinstance(folder, NoFolder) and folder.blocked:
            raise PreflightError(
                f"{self.path} cannot be made on {self.node}: {folder.blocked}",
                resolution="Mount or make what belongs there, or take it out of the way.",
                node=self.node,
            )
        return _HERE

    def reverted(self, world: World, original: State | None, written: State) -> State | None:
        folder = self._seen(world)
        if isinstance(folder, NoFolder):
            return original
        if not original or original["present"] or self._another(world, original):
            return self.observe(world)
        return _HERE if self._theirs(folder) else original

    def for_way_back(self, way: WayBack) -> Resource:
        """With --delete-runs the runs folder may go with its contents."""
        if way.delete_runs and self.path == way.spec.paths.runs:
            return Directory(self.node, self.path, disposable=True, made=ALL)
        return self

    def may_go_later(self, way: WayBack, world: World, original: State | None) -> bool:
        """It is ours, and goes with --delete-runs or when it is unmounted."""
        return self.path == way.spec.paths.runs or bool(self._another(world, original))

    def absent(self, state: State | None) -> bool:
        return state is None or not state.get("present", True)

    def why_kept(self, world: World, original: State | None) -> str:
        folder = self._seen(world)
        if another := self._another(world, original):
            return f"{self.path} stays: {another}"
        if self.disposable and isinstance(folder, Folder):
            names = self._theirs(folder)
            return f"{self.path} stays with what sparkctl did not make: {_few(names)}"
        return f"{self.path} is not empty and stays"

    def foreseen(self, world: World, change: Change) -> World:
        """When the folder is gone, the one that it was in may be empty."""
        if not self.absent(change.after):
            return world
        facts, path = world[self.node], PurePosixPath(self.path)
        folders = dict(facts.folders)
        above = folders.get(str(path.parent))
        if isinstance(above, Folder):
            left = tuple(name for name in above.entries if name != path.name)
            folders[str(path.parent)] = replace(above, entries=left)
        return {**world, self.node: replace(facts, folders=folders)}

    def summary(self, before: State | None, after: State | None) -> str:
        if after == _HERE and before and "made" in before:
            return f"remove {', '.join(before['made'])} from {self.path}"
        return f"{'make' if after == _HERE else 'remove'} {self.path}"

    def notes(self, world: World, before: State | None, after: State | None) -> tuple[str, ...]:
        folder = self._seen(world)
        goes = before is not None and before["present"] and after is not None
        if not (goes and self.disposable and self.made == ALL) or not isinstance(folder, Folder):
            return ()
        size = "" if folder.size is None else f" ({folder.size / 2**30:.1f} GiB)"
        return (f"with all that is in it{size}: {_few(folder.entries)}",) if folder.entries else ()

    def apply(self, nodes: Mapping[str, Node], change: Change) -> None:
        node = nodes[self.node]
        before, after = change.before or {}, change.after or {}
        if after == _HERE and not before.get("present"):
            node.script(render_template("directory/make.sh.j2", path=self.path))
            return
        script = render_template(
            "directory/remove.sh.j2",
            path=self.path,
            nearest=after.get("nearest", "/"),
            everything=self.made == ALL and self.disposable,
            names=before.get("made", ()) if self.disposable else (),
            itself=after != _HERE,
        )
        node.script(script, deadline=600.0)

    def _seen(self, world: World) -> Folder | NoFolder:
        try:
            return world[self.node].folders[self.path]
        except KeyError:
            raise PreflightError(
                f"{self.path} on {self.node} was made by an earlier `up` and was not looked at",
                resolution="Use the cluster file that it was made with, or the same paths.",
                node=self.node,
            ) from None

    def _is_ours(self, name: str) -> bool:
        return self.disposable and any(fnmatchcase(name, pattern) for pattern in self.made)

    def _theirs(self, folder: Folder) -> list[str]:
        if self.disposable and self.made == ALL:
            return []
        rest = ["much else"] if folder.more else []
        return [name for name in folder.entries if not self._is_ours(name)] + rest

    def _another(self, world: World, original: State | None) -> str:
        """Why the folder is not, or not only, the one that was made: a link, or a mount."""
        folder = self._seen(world)
        if isinstance(folder, NoFolder):
            return ""
        nearest = PurePosixPath((original or {}).get("nearest", "/"))
        below = [link for link in folder.links if nearest in PurePosixPath(link).parents]
        if below:
            return f"{below[0]} is a link now"
        if folder.mounts:
            return f"{_few(folder.mounts)} is mounted in it"
        over = [point for point in folder.above if nearest in PurePosixPath(point).parents]
        if over:
            return f"it is in {over[0]}, which is mounted there now"
        return ""


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
