"""YAML as a document: what stands in it, and where."""

from typing import Any

import yaml

from orchestrator.errors import SpecError
from orchestrator.spec.document import Document
from orchestrator.spec.key_path import KeyPath
from orchestrator.spec.yaml_text import TooMuchError, compose, construct


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
