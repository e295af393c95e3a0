"""A document that a person wrote, with the place of every value."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orchestrator.errors import SpecError
from orchestrator.spec.files import NoFile, UnfitFile, read_text
from orchestrator.spec.key_path import KeyPath


@dataclass
class Document:
    """Plain data and where each of its values was written (`cluster.yaml:12`, `--set …`)."""

    source: str
    data: Any
    places: dict[KeyPath, str] = field(default_factory=dict)

    def place(self, location: KeyPath) -> str:
        """The place of a value, or of the nearest that is around it."""
        path: KeyPath = ()
        for key in location:
            if (*path, key) not in self.places:
                break
            path = (*path, key)
        return self.places.get(path, self.source)

    def override(self, path: KeyPath, value: Any, place: str) -> None:
        """Put `value` at `path`, making the mappings on the way where they are absent."""
        at = self.data
        for done, key in enumerate(path[:-1], start=1):
            below = at.get(key)
            if not isinstance(below, dict):
                below = at[key] = {}
                self.places[path[:done]] = place
            at = below
        at[path[-1]] = value
        self._forget(path)
        self.places[path] = place

    def at(self, path: KeyPath) -> Any:
        """What is there; the path must be one of the document's."""
        found = self.data
        for key in path:
            found = found[key]
        return found

    def remove(self, path: KeyPath) -> None:
        """Take away what is at `path`, if there is anything."""
        self.at(path[:-1]).pop(path[-1], None)
        self._forget(path)

    def _forget(self, path: KeyPath) -> None:
        for below in [p for p in self.places if p[: len(path)] == path]:
            del self.places[below]


def read_document(
    path: Path, *, what: str, resolution: str, prepare: Callable[[str], str] = str
) -> Document:
    """Parse one YAML mapping; `what` names the file in messages, e.g. `cluster file`.

    `resolution` tells where such a file comes from, for when there is none. `prepare` changes the
    text before it is parsed, line by line.
    """
    try:
        text = read_text(path)
    except NoFile:
        raise SpecError(
            f"{path}: there is no such {what}",
            resolution=resolution,
        ) from None
    except UnfitFile as error:
        raise SpecError(
            f"{path}: the {what} cannot be read", details=str(error), resolution=resolution
        ) from None
    from orchestrator.spec.parse import parse_document  # no file, no YAML

    return parse_document(prepare(text), source=str(path))
