"""YAML with the place of every value, and validation errors that point at it."""

import difflib
from dataclasses import dataclass, field
from pathlib import Path
from types import UnionType
from typing import TYPE_CHECKING, Any, TypeVar, Union, get_args, get_origin

import yaml

from orchestrator.errors import SpecError, UnknownKeyError
from orchestrator.spec.files import NoFile, UnfitFile, read_text
from orchestrator.spec.yaml_text import TooMuchError, compose, construct

if TYPE_CHECKING:  # imported when there is something to validate: no file, no pydantic
    from pydantic import BaseModel

Key = str | int
KeyPath = tuple[Key, ...]
M = TypeVar("M", bound="BaseModel")


@dataclass
class Document:
    """Plain data and where each of its values was written (`cluster.yaml:12`, `--set …`)."""

    source: str
    data: Any
    places: dict[KeyPath, str] = field(default_factory=dict)

    def place(self, location: KeyPath) -> str:
        """The nearest known place of a pydantic location.

        pydantic adds names of its own to a location (the tag of a union): they are skipped.
        """
        path: KeyPath = ()
        for key in location:
            if (*path, key) in self.places:
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
        for below in [p for p in self.places if p[: len(path)] == path]:
            del self.places[below]
        self.places[path] = place


def read_document(path: Path, *, what: str, resolution: str) -> Document:
    """Parse one YAML mapping; `what` names the file in messages, e.g. `cluster file`.

    `resolution` tells where such a file comes from, for when there is none.
    """
    try:
        text = read_text(path)
    except NoFile:
        raise SpecError(
            f"{path}: there is no such {what}",
            resolution=resolution,
        ) from None
    except UnfitFile as error:
        raise SpecError(f"{path}: the {what} cannot be read", details=str(error)) from None
    return parse_document(text, source=str(path))


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
        raise SpecError(f"{source}:1: a mapping is expected, such as `apiVersion: sparkctl/v1`")
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


def validate(model: type[M], document: Document) -> M:
    """The document as a model, or one error that lists every fault with its place."""
    from pydantic import ValidationError

    try:
        return model.model_validate(document.data)
    except ValidationError as error:
        faults = error.errors(include_url=False)
        lines = [_sentence(model, document, fault) for fault in faults]
        unknown = all(fault["type"] == "extra_forbidden" for fault in faults)
        from_option = all(document.place(f["loc"]).startswith("--set") for f in faults)
        kind = UnknownKeyError if unknown and from_option else SpecError
        raise kind(
            lines[0],
            details="\n".join(lines[1:]) or None,
            resolution="Nothing was changed anywhere. docs/reference.md lists all keys.",
        ) from None


def _sentence(model: "type[BaseModel]", document: Document, fault: Any) -> str:
    from orchestrator.spec.sentences import sentence

    location: KeyPath = fault["loc"]
    path = ".".join(str(key) for key in location)
    message = sentence(fault)
    if fault["type"] == "extra_forbidden":
        known = _known_keys(model, location[:-1])
        near = difflib.get_close_matches(str(location[-1]), known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(known)}"
        message = f"unknown key; {hint}"
    return (
        f"{document.place(location)}: {path}: {message}"
        if path
        else (f"{document.place(location)}: {message}")
    )


def _known_keys(model: Any, location: KeyPath) -> list[str]:
    """The field names at a location, walking through lists and unions."""
    models = _models_in(model)
    for key in location:
        below: list[type[BaseModel]] = []
        for candidate in models:
            field_info = candidate.model_fields.get(str(key))
            if field_info is not None:
                below += _models_in(field_info.annotation)
        if below:
            models = below
    return sorted({name for m in models for name in m.model_fields})


def _models_in(annotation: Any) -> "list[type[BaseModel]]":
    from pydantic import BaseModel

    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if get_origin(annotation) in (list, tuple, dict, Union, UnionType) or get_args(annotation):
        return [m for argument in get_args(annotation) for m in _models_in(argument)]
    return []


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
