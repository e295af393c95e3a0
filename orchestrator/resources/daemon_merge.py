"""daemon.json in, our keys merged, and taken out again: pure functions on bytes.

Foreign keys survive in both directions. Byte-exact restoration does not come from here: as long as
nobody has edited the file, the original bytes are in the journal. `unmerge` is for a file that the
user has edited since.
"""

import copy
import json
import re
from pathlib import PurePosixPath
from typing import Any


class NotAnObject(ValueError):
    """The file is not a JSON object."""


def parse(content: bytes) -> dict[str, Any]:
    """The document as dockerd sees it: an empty file and `null` are empty, a BOM is none of it.

    Raises ValueError (with the line, from json) or NotAnObject.
    """
    text = content.decode("utf-8-sig")
    document = json.loads(text) if text.strip() else {}
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise NotAnObject("daemon.json is not a JSON object")
    return document


def merge(content: bytes | None, ours: dict[str, Any]) -> bytes:
    """The file with our keys in it; the very same bytes when they are all there already."""
    document = {} if content is None else parse(content)
    merged = merged_document(document, ours)
    if content is not None and merged == document:
        return content
    return _dump(merged, content)


def unmerge(content: bytes, original: bytes | None, ours: dict[str, Any]) -> bytes | None:
    """The edited file with our keys as they were in `original`; None when nothing is left of it."""
    was = {} if original is None else parse(original)
    edited = parse(content)
    document = unmerged_document(edited, was, ours)
    if not document and original is None:
        return None
    return content if document == edited else _dump(document, content)


def merged_document(document: dict[str, Any], ours: dict[str, Any]) -> dict[str, Any]:
    """Objects are merged, lists extended, everything else replaced.

    What means the same in another spelling stays as it is: another file would be another restart.
    """
    merged = copy.deepcopy(document)
    for key, value in ours.items():
        now = merged.get(key)
        if _says_the_same(now, value):
            continue
        if isinstance(value, dict) and isinstance(now, dict):
            merged[key] = merged_document(now, value)
        elif isinstance(value, list) and isinstance(now, list) and key.endswith("resources"):
            merged[key] = _extended(now, value)
        else:
            merged[key] = copy.deepcopy(value)
    return merged


def unmerged_document(
    document: dict[str, Any], original: dict[str, Any], ours: dict[str, Any], *, inner: bool = False
) -> dict[str, Any]:
    """What is still ours becomes what it was; what the user has set since stays.

    An entry of an object (`inner`: one runtime among the runtimes) is ours whole or not at all: a
    runtime that lost its path would keep dockerd from starting.
    """
    result = copy.deepcopy(document)
    written = merged_document(original, ours)
    for key in ours:
        if key not in result:
            continue
        if result[key] == written[key]:
            if key in original:
                result[key] = copy.deepcopy(original[key])
            else:
                del result[key]
        elif isinstance(ours[key], dict) and isinstance(result[key], dict) and not inner:
            was = original.get(key)
            result[key] = unmerged_document(
                result[key], was if isinstance(was, dict) else {}, ours[key], inner=True
            )
            if not result[key] and key not in original:
                del result[key]
        elif isinstance(ours[key], list) and isinstance(result[key], list):
            was = original.get(key)
            result[key] = _unmerged_list(
                result[key], was if isinstance(was, list) else [], written[key], ours[key]
            )
            if not result[key] and key not in original:
                del result[key]
    return result


def _unmerged_list(
    now: list[Any], was: list[Any], written: list[Any], ours: list[Any]
) -> list[Any]:
    """What the user has, less ours, plus what the merge had displaced."""
    kept = [item for item in now if item not in ours or item in was]
    return kept + [item for item in was if item not in written]


def _says_the_same(now: object, ours: object) -> bool:
    """Whether a runtime is whole as it is: of a type, or with the same program and no arguments."""
    if not isinstance(now, dict) or not isinstance(ours, dict) or "path" not in ours:
        return False
    if now.get("runtimeType"):
        return True
    program = str(now.get("path") or "")
    return PurePosixPath(program).name == ours["path"] and not now.get("runtimeArgs")


def _extended(now: list[Any], ours: list[Any]) -> list[Any]:
    """What is of other kinds, and ours; the list itself when only the order differs."""
    kinds = {_kind(item) for item in ours}
    foreign = [item for item in now if _kind(item) not in kinds]
    extended = foreign + ours
    return now if sorted(map(str, now)) == sorted(map(str, extended)) else extended


def _kind(resource: object) -> str:
    return str(resource).partition("=")[0]


def _dump(document: dict[str, Any], like: bytes | None) -> bytes:
    indent = re.search(rb"\n([ \t]+)\S", like or b"")
    return (json.dumps(document, indent=indent[1].decode() if indent else 4) + "\n").encode()
