"""YAML with the place of every value."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from orchestrator.errors import SpecError
from orchestrator.spec.files import NoFile, UnfitFile, read_text
from orchestrator.spec.sections import KeyPath as KeyPath  # whoever asks for a place has one
from orchestrator.spec.yaml_text import TooMuchError, compose, construct


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
    return parse_document(prepare(text), source=str(path))


def parse_document(text: str, *, source: str) -> Document:
    """Parse one YAML mapping from text."""
    try:
        root = compose(text)
        data = construct(text)
    except TooMuchError as error:
        raise SpecError(
            f"{source}:{_line(error)}: {error.problem}",
            resolution="Write the values out; a file of people's is far smaller.",
        ) from None
    except yaml.MarkedYAMLError as error:
        raise SpecError(
            f"{source}:{_line(error)}: not valid YAML: {error.problem}",
            details=error.problem_mark.get_snippet() if error.problem_mark else None,
            resolution="Fix the line; YAML indents with blanks, never with tabs.",
        ) from None
    if not isinstance(data, dict) or root is None:
        found = "it is empty" if root is None else "it holds something else"
        raise SpecError(
            f"{source}:1: a mapping is expected, such as `apiVersion: sparkctl/v1`; {found}",
            resolution="What belongs there: `sparkctl init` makes a cluster file, "
            "`sparkctl stacks copy NAME FILE` a stack.",
        )
    document = Document(source, data)
    _note_places(root, (), document)
    return document


def parse_value(text: str, *, source: str) -> Any:
    """What `text` would be behind a key in a file; itself when it is no YAML."""
    try:
        compose(text)
        return construct(text)
    except TooMuchError as error:
        raise SpecError(f"{source}: {error.problem}") from None
    except yaml.MarkedYAMLError:
        if not text.isascii() and text != text.encode(errors="replace").decode():
            raise SpecError(f"{source}: the value is not text in UTF-8") from None
        return text


def _line(error: yaml.MarkedYAMLError) -> int:
    return error.problem_mark.line + 1 if error.problem_mark else 1


def _note_places(node: yaml.Node, path: KeyPath, document: Document) -> None:
    """Of every value, aliases in full: yaml_text.py bounds how many that can be."""
    document.places[path] = f"{document.source}:{node.start_mark.line + 1}"
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key_node, value_node in node.value:
            key, line = key_node.value, key_node.start_mark.line + 1
            _ensure_fit_key(key_node, f"{document.source}:{line}", seen)
            seen.add(key)
            _note_places(value_node, (*path, key), document)
            document.places[(*path, key)] = f"{document.source}:{line}"
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            _note_places(item, (*path, index), document)


def _ensure_fit_key(key: yaml.Node, place: str, seen: set[str]) -> None:
    if key.tag not in ("tag:yaml.org,2002:str", "tag:yaml.org,2002:merge"):
        raise SpecError(
            f"{place}: {key.value}: this key is not text",
            resolution=f'Put it in quotes: "{key.value}"',
        )
    if key.value in seen:
        raise SpecError(
            f"{place}: {key.value}: the key is written twice",
            resolution="Keep one; YAML would silently take the last.",
        )
