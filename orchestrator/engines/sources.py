"""Files of ours that go into an image."""

from collections.abc import Iterator
from importlib.resources.abc import Traversable

from orchestrator import assets

_KEPT = (".py", ".sh", ".txt")


def sources(name: str) -> dict[str, bytes]:
    """Those of the folder `training` or `entrypoints`, by path, in the same order everywhere."""
    return {path: file.read_bytes() for path, file in _files(assets.folder(name), name)}


def _files(folder: Traversable, name: str) -> Iterator[tuple[str, Traversable]]:
    for entry in sorted(folder.iterdir(), key=lambda e: e.name):
        path = f"{name}/{entry.name}"
        if entry.is_dir() and entry.name != "__pycache__":
            yield from _files(entry, path)
        elif entry.name.endswith(_KEPT):
            yield path, entry
