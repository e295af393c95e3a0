"""The keys of a file, for people: docs/reference.md is generated from the models themselves."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel


@dataclass(frozen=True)
class Key:
    """One key that a file may have."""

    path: str
    """As `--set` and error messages write it, e.g. `nodes[].ssh.host`."""
    type: str
    default: str
    text: str
    values: tuple[str, ...] = ()
    """All that it may be, where they are counted; of a list, what is in it."""
    limits: tuple[str, ...] = ()
    """Of a number, in words."""


def keys_of(model: type[BaseModel]) -> list[Key]:
    """All keys, in the order in which the models declare them."""
    schema = model.model_json_schema()
    return list(_walk(schema, schema.get("$defs", {}), ""))


def as_table(keys: list[Key]) -> str:
    """A Markdown table."""
    rows = ["| key | type | default | |", "|---|---|---|---|"]
    for key in keys:
        text = " ".join(key.text.split()).replace("|", "\\|")
        type_ = key.type.replace("|", "\\|")
        rows.append(f"| `{key.path}` | {type_} | {key.default} | {text} |")
    return "\n".join(rows) + "\n"


def _walk(schema: Mapping[str, Any], defs: Mapping[str, Any], prefix: str) -> Iterator[Key]:
    required = schema.get("required", [])
    for name, field in schema.get("properties", {}).items():
        path = f"{prefix}{name}"
        if tag := field.get("discriminator", {}).get("propertyName"):
            yield Key(path, "section", "", f"One of several; `{tag}` selects it.")
            yield from _walk_one_of(field["oneOf"], tag, defs, f"{path}.")
            continue
        below, suffix = _below(field, defs)
        default = "" if below else _default(field)
        if name in required:
            default = "required"
        text = field.get("description") or (below or {}).get("description", "")
        values, limits = tuple(_values(field)), tuple(_limits(field))
        yield Key(f"{path}{suffix}", _type(field, defs), default, text, values, limits)
        if below is not None:
            yield from _walk(below, defs, f"{path}{suffix}.")


def _walk_one_of(
    options: Sequence[Mapping[str, Any]], tag: str, defs: Mapping[str, Any], prefix: str
) -> Iterator[Key]:
    """The keys of a section that is one of several: each key once, with the kinds that have it."""
    sections = [defs[option["$ref"].rpartition("/")[2]] for option in options]
    kinds = [section["properties"][tag]["const"] for section in sections]
    what = " ".join(f"`{k}`: {s['description']}" for k, s in zip(kinds, sections, strict=True))
    type_ = " or ".join(f"`{kind}`" for kind in kinds)
    yield Key(f"{prefix}{tag}", type_, "required", what, tuple(kinds))
    having: dict[Key, list[str]] = {}
    for kind, section in zip(kinds, sections, strict=True):
        for key in _walk(section, defs, prefix):
            having.setdefault(key, []).append(kind)
    for key, having_it in having.items():
        if key.path != f"{prefix}{tag}":
            yield replace(key, text=f"({', '.join(having_it)}) {key.text}")


def _below(
    field: Mapping[str, Any], defs: Mapping[str, Any]
) -> tuple[Mapping[str, Any] | None, str]:
    """The section that a key holds, and `[]` when it holds a list of them."""
    options = [field, *field.get("anyOf", []), *field.get("oneOf", [])]
    for option in options:
        if "$ref" in option:
            return defs[option["$ref"].rpartition("/")[2]], ""
        if "$ref" in option.get("items", {}):
            return defs[option["items"]["$ref"].rpartition("/")[2]], "[]"
    return None, ""


def _type(field: Mapping[str, Any], defs: Mapping[str, Any]) -> str:
    if "const" in field:
        return f"`{field['const']}`"
    if "enum" in field:
        return " or ".join(f"`{value}`" for value in field["enum"])
    if "anyOf" in field:
        return " or ".join(_type(o, defs) for o in field["anyOf"] if o.get("type") != "null")
    if "$ref" in field:
        return "section"
    if field.get("type") == "array":
        return f"list of {_type(field.get('items', {}), defs)}"
    if field.get("type") == "object":
        return "mapping"
    return str(field.get("type", "any"))


def _default(field: Mapping[str, Any]) -> str:
    default = field.get("default")
    return "" if default in (None, {}, []) else f"`{default}`"


_LIMITS = {
    "minimum": "at least",
    "exclusiveMinimum": "more than",
    "maximum": "at most",
    "exclusiveMaximum": "less than",
}


def _values(field: Mapping[str, Any]) -> Iterator[str]:
    yield from map(str, field.get("enum", []))
    if "const" in field:
        yield str(field["const"])
    for option in _options(field):
        yield from _values(option)


def _limits(field: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"{words} {field[key]}" for key, words in _LIMITS.items() if key in field)
    for option in _options(field):
        yield from _limits(option)


def _options(field: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What a value of several types, or of a list, may be."""
    return [*field.get("anyOf", []), *([field["items"]] if "items" in field else [])]
