"""A folder on the machine, and the folders above it that were not there."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from orchestrator.errors import PreflightError
from orchestrator.node.facts import Folder, NoFolder
from orchestrator.node.node import Node
from orchestrator.resources.base import Change, Stage, State, World

_HERE: State = {"present": True}


@dataclass(frozen=True)
class Directory:
    """Made with all its missing parents, owned by the login user.

    On the way back the parents that we made go too, when they are empty. The folder itself goes
    with its contents when `disposable` (a cache of ours), else only when it is empty: what a
    training run has produced, or a model that the user may want, is never removed in passing.
    """

    kind: ClassVar[str] = "directory"
    stage: ClassVar[Stage] = Stage.HOST

    node: str
    path: str
    disposable: bool

    @property
    def name(self) -> str:
        return f"{self.kind}:{self.path}"

    def observe(self, world: World) -> State:
        folder = self._seen(world)
        if isinstance(folder, NoFolder):
            return {"present": False, "nearest": folder.nearest}
        return _HERE

    def desired(self, world: World) -> State:
        return _HERE

    def reverted(self, world: World, original: State | None, written: State) -> State | None:
        folder = self._seen(world)
        if isinstance(folder, Folder) and not folder.empty and not self.disposable:
            return _HERE
        return original

    def summary(self, before: State | None, after: State | None) -> str:
        return f"{'make' if after == _HERE else 'remove'} {self.path}"

    def notes(self, world: World, before: State | None, after: State | None) -> tuple[str, ...]:
        return ()

    def apply(self, nodes: Mapping[str, Node], change: Change) -> None:
        node = nodes[self.node]
        if change.after == _HERE:
            node.script(f"set -e\n{self._resolved}\n{_MAKE}")
        elif change.after is not None:
            # Somebody may have removed it already: then there is nothing to do here.
            remove = "rm -rf" if self.disposable else "rmdir"
            remove = f'[ ! -d "$path" ] || {remove} "$path"'
            nearest = shlex.quote(change.after["nearest"])
            node.script(f"set -e\n{self._resolved}\n{remove}\nnearest={nearest}\n{_CLIMB}")

    def _seen(self, world: World) -> Folder | NoFolder:
        try:
            return world[self.node].folders[self.path]
        except KeyError:
            raise PreflightError(
                f"{self.path} on {self.node} was made by an earlier `up` and was not looked at",
                resolution="Use the cluster file that it was made with, or the same paths.",
                node=self.node,
            ) from None

    @property
    def _resolved(self) -> str:
        return f"""\
user=${{SUDO_USER:-$(id -un)}}
path={shlex.quote(self.path)}
case $path in '~'*) path=$(getent passwd "$user" | cut -d: -f6)${{path#'~'}} ;; esac"""


_MAKE = """\
make() { [ -z "$1" ] || [ -d "$1" ] || { make "${1%/*}"; mkdir "$1"; chown "$user:" "$1"; }; }
make "$path"
"""

_CLIMB = """\
above=${path%/*}
while [ "$above" != "$nearest" ] && rmdir "$above" 2>/dev/null; do above=${above%/*}; done
"""
