"""The sections of a document, as its models declare them; keys as its file writes them."""

from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from orchestrator.spec.key_path import Key, KeyPath

Section = type[BaseModel]


def as_written(model: Section, location: KeyPath) -> tuple[KeyPath, list[Section]]:
    """The keys of a pydantic location as the file has them, and the sections that may hold the
    last of them.

    pydantic adds names of its own: the tag of a section that is one of several, and `[key]` for a
    key of a mapping. In a section that is a key which somebody wrote.
    """
    path: KeyPath = ()
    here = holders = [model]
    for key in location:
        if tagged := [one for one in here if len(here) > 1 and is_kind(one, key)]:
            here = tagged
        elif here or key != "[key]":
            path, holders = (*path, key), here
            here = here if isinstance(key, int) else _below(here, key)
    return path, holders


def sections_at(model: Section, path: KeyPath) -> list[Section]:
    """The sections that may be at a path: several where a key selects one."""
    here = [model]
    for key in path:
        here = here if isinstance(key, int) else _below(here, key)
    return here


def is_kind(section: Section, tag: Key) -> bool:
    """Whether one of its keys has this value alone."""
    return any(
        get_origin(field.annotation) is Literal and get_args(field.annotation) == (tag,)
        for field in section.model_fields.values()
    )


def dotted(path: KeyPath) -> str:
    """A key as `--set` and docs/reference.md write it, without the numbers of a list."""
    return ".".join(key for key in path if isinstance(key, str))


def _below(sections: list[Section], key: str) -> list[Section]:
    fields = [one.model_fields[key] for one in sections if key in one.model_fields]
    return [inner for field in fields for inner in _sections_in(field.annotation)]


def _sections_in(annotation: Any) -> list[Section]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if get_origin(annotation) in (list, tuple, dict, Union, UnionType) or get_args(annotation):
        return [one for argument in get_args(annotation) for one in _sections_in(argument)]
    return []
