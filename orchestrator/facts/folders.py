"""The folders that a cluster file names: what is there, or what is in the way of making them."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.facts.fact import Group, Printed, Raw
from orchestrator.facts.shell import shell
from orchestrator.facts.values import lines
from orchestrator.spec.cluster import PathsSpec

MOST_ENTRIES = 100


@dataclass(frozen=True)
class Folder:
    """A folder that is there."""

    mode: str
    uid: int
    gid: int
    entries: tuple[str, ...] = ()
    """Names of what is in it, at most `MOST_ENTRIES` of them."""
    more: bool = False
    """Whether there is more in it than that."""
    links: tuple[str, ...] = ()
    """Folders on the way to it, itself included, that are symbolic links."""
    mounts: tuple[str, ...] = ()
    """Mount points at and below it, as the kernel writes them (a blank is `\\040`)."""
    above: tuple[str, ...] = ()
    """Mount points that it lies in, likewise; not `/`."""
    size: int | None = None
    """Bytes, where that was asked for and was measured in time."""

    @property
    def empty(self) -> bool:
        """Whether nothing is in it."""
        return not self.entries


@dataclass(frozen=True)
class NoFolder:
    """A folder that is not there, and the nearest one above it that is."""

    nearest: str
    blocked: str = ""
    """What is in the way of making it, in words."""


@dataclass(frozen=True, kw_only=True)
class Folders:
    """Those of this cluster file, and those that the journal names."""

    folders: Mapping[str, Folder | NoFolder]
    """By the path as the cluster file writes it."""


def _shell(paths: PathsSpec) -> str:
    folders = [paths.state, paths.runs, paths.data, paths.hub]
    read = "".join(f"folder {shlex.quote(path)} ''\n" for path in folders)
    return shell("folders.sh", most_entries=MOST_ENTRIES + 1) + read


def _parse(raw: Raw) -> Folders:
    found = {
        name.removeprefix("folder."): _folder(value)
        for name, value in raw.items()
        if name.startswith("folder.")
    }
    return Folders(folders=found)


def _folder(raw: bytes) -> Folder | NoFolder:
    first, *rest = lines(raw)
    if first.startswith("absent "):
        blocked = rest[0].removeprefix("blocked ") if rest else ""
        return NoFolder(first.removeprefix("absent "), blocked)
    mode, uid, gid = first.split()
    found: dict[str, list[str]] = {"entry": [], "link": [], "mount": [], "above": [], "size": []}
    for line in rest:
        what, _, value = line.partition(" ")
        found[what].append(value)
    return Folder(
        mode,
        int(uid),
        int(gid),
        entries=tuple(sorted(found["entry"][:MOST_ENTRIES])),
        more=len(found["entry"]) > MOST_ENTRIES,
        links=tuple(found["link"]),
        mounts=tuple(found["mount"]),
        above=tuple(found["above"]),
        size=int(found["size"][0]) * 1024 if found["size"] else None,
    )


_STOCK = {
    "/var/lib/sparkctl": NoFolder("/var/lib"),
    "~/sparkctl/runs": NoFolder("/home/nvidia"),
    "~/sparkctl/data": NoFolder("/home/nvidia"),
    "~/sparkctl/cache/sparkctl": NoFolder("/home/nvidia"),
    "~/.cache/huggingface/hub": NoFolder("/home/nvidia"),
}


def _printed(folders: Folders) -> Printed:
    return {f"folder.{path}": _folder_text(folder) for path, folder in folders.folders.items()}


def _folder_text(folder: Folder | NoFolder) -> str:
    if isinstance(folder, NoFolder):
        blocked = f"\nblocked {folder.blocked}" if folder.blocked else ""
        return f"absent {folder.nearest}{blocked}"
    lines = [f"{folder.mode} {folder.uid} {folder.gid}"]
    lines += [f"entry {name}" for name in folder.entries]
    lines += ["entry and more"] * (MOST_ENTRIES + 1 - len(folder.entries)) * folder.more
    lines += [f"link {path}" for path in folder.links]
    lines += [f"mount {path}" for path in folder.mounts]
    lines += [f"above {path}" for path in folder.above]
    lines += [] if folder.size is None else [f"size {folder.size // 1024}"]
    return "\n".join(lines)


FOLDERS = Group(_shell, _parse, lambda number: Folders(folders=dict(_STOCK)), _printed)
