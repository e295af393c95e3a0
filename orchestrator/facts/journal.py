"""The records of sparkctl's journal as they lie on the machine."""

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestrator.facts.fact import Group, Printed, Raw
from orchestrator.facts.shell import shell
from orchestrator.spec.cluster import PathsSpec

_MOST_BYTES = 4 * 2**20
"""Of a journal record; it holds a file or two. A longer one is cut, and is unreadable then."""


@dataclass(frozen=True)
class Unreadable:
    """A journal record that cannot be parsing, and why; nothing of its content."""

    why: str


@dataclass(frozen=True, kw_only=True)
class Journal:
    """JSON, not yet records."""

    journal: Mapping[str, Mapping[str, Any] | Unreadable] = field(default_factory=dict)
    """Journal records by file name, oldest first."""


def _shell(paths: PathsSpec) -> str:
    """With the folders that records name. The cache comes last, with its size: of two answers about
    one folder the later one counts."""
    sized = f"folder {shlex.quote(paths.own_cache)} sized\n"
    return shell("journal.sh", state=paths.state, most_bytes=_MOST_BYTES) + sized


def _parse(raw: Raw) -> Journal:
    found = {
        name.removeprefix("journal."): _record(value)
        for name, value in raw.items()
        if name.startswith("journal.")
    }
    return Journal(journal=found)


def _record(raw: bytes) -> Mapping[str, Any] | Unreadable:
    """A journal record by itself: one that a power cut left empty does not affect the others."""
    if not raw.strip():
        return Unreadable("it is empty")
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError):
        return Unreadable("it is cut off, or no JSON")
    return found if isinstance(found, dict) else Unreadable("it is no JSON object")


def _printed(journal: Journal) -> Printed:
    return {f"journal.{name}": _record_text(record) for name, record in journal.journal.items()}


def _record_text(record: Mapping[str, Any] | Unreadable) -> str:
    return "" if isinstance(record, Unreadable) else json.dumps(record)


JOURNAL = Group(_shell, _parse, lambda number: Journal(journal={}), _printed)
