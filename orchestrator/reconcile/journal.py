"""The write-ahead journal on each node: what was there before, so that `down` needs nothing else.

One JSON file per resource in <state>/journal, owned by root, written and fsynced before the change.
A later change of the same resource keeps the first original.
"""

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from orchestrator.errors import ChangeError, RemoteError
from orchestrator.facts.journal import Unreadable
from orchestrator.facts.machine import Facts
from orchestrator.node.files import File, write_file
from orchestrator.node.node import Node
from orchestrator.resources.base import Change, Resource, State, World
from orchestrator.resources.registry import REGISTRY
from orchestrator.templates import render_template

VERSION = 1

_JOURNALED = {one.__name__: one for one in REGISTRY if one.journaled}


@dataclass(frozen=True)
class Record:
    """One resource on one node, as it was and as we wrote it.

    It is about the machine that it was read from, whatever that was called when it was written.
    """

    file: str
    cluster: str
    resource: Resource
    original: State | None
    written: State
    former: str | None = None
    """The machine's name when this was written, where it is called otherwise now."""


def records(facts: Facts) -> list[Record]:
    """The node's journal, oldest first, less what cannot be read."""
    return [one for one in _parsed(facts).values() if isinstance(one, Record)]


def unreadable(facts: Facts) -> dict[str, str]:
    """Why each of the other files of the journal is no record, by its name."""
    return {name: one.why for name, one in _parsed(facts).items() if isinstance(one, Unreadable)}


def is_about(file: str, resource: Resource) -> bool:
    """Whether a file of this name may be the record of the resource."""
    number, dash, slug = file.removesuffix(".json").partition("-")
    return not (number.isdecimal() and dash) or slug == _slug(resource)


def record_for(
    existing: list[Record], cluster: str, resource: Resource, change: Change, world: World
) -> Record:
    """What has to be in the journal before `change` is made.

    The first original is kept, unless nothing of ours is there any more: when a change was refused
    and the user has fixed the file since, the way back leads to the fixed one.
    """
    assert change.after is not None  # `up` never wants a thing to be absent
    for record in existing:
        if record.resource.name == resource.name:
            back = record.resource.reverted(world, record.original, record.written)
            original = change.before if back == change.before else record.original
            return Record(record.file, cluster, resource, original, change.after)
    files = [*world[resource.node].journal, *(record.file for record in existing)]
    number = max((int(f[:4]) for f in files if f[:4].isdecimal()), default=0) + 1
    file = f"{number:04d}-{_slug(resource)}.json"
    return Record(file, cluster, resource, change.before, change.after)


def write(node: Node, state_folder: str, record: Record) -> None:
    """Write and fsync one record. When the first one cannot be written, no folder stays behind."""
    state, folder = shlex.quote(state_folder), shlex.quote(f"{state_folder}/journal")
    document = {
        "version": VERSION,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cluster": record.cluster,
        "resource": type(record.resource).__name__,
        "fields": asdict(record.resource),
        "original": record.original,
        "written": record.written,
    }
    content = (json.dumps(document, indent=1) + "\n").encode()
    try:
        file = write_file(f"{state_folder}/journal/{record.file}", File(content, "600", 0, 0))
        node.script(render_template("journal/write.sh.j2", folder=folder, state=state, write=file))
    except RemoteError as error:
        raise ChangeError(
            f"{record.resource.name} on {node.name} was left as it is: "
            f"what is there now could not be written to {state_folder}/journal",
            details=error.details,
            resolution=f"Make room on the disk of {state_folder}, or fix what the lines above "
            "report, and run the command again; `sparkctl cluster down` works also on a full disk.",
            node=node.name,
        ) from None


def forget(node: Node, state_folder: str, files: list[str]) -> None:
    """Remove records whose resources are as they were; with the last one the folders go too.

    So do unfinished copies: a record that did not get its name stands for a change not made.
    """
    folder = shlex.quote(state_folder)
    names = " ".join(f"{folder}/journal/{shlex.quote(name)}" for name in files)
    node.script(render_template("journal/forget.sh.j2", folder=folder, names=names))


def _slug(resource: Resource) -> str:
    return re.sub(r"[^a-z0-9]+", "-", resource.name.lower()).strip("-")


def _parsed(facts: Facts) -> dict[str, Record | Unreadable]:
    return {
        name: raw if isinstance(raw, Unreadable) else _parse(name, raw, facts.node)
        for name, raw in sorted(facts.journal.items())
    }


def _parse(file: str, raw: Mapping[str, Any], node: str) -> Record | Unreadable:
    try:
        if raw["version"] != VERSION:
            return Unreadable(
                f"it is of version {raw['version']!r:.20}, written by another sparkctl"
            )
        fields = {k: tuple(v) if isinstance(v, list) else v for k, v in raw["fields"].items()}
        called = str(fields["node"])
        resource = _JOURNALED[raw["resource"]].recorded(fields, node)
        former = called if called != node else None
        return Record(file, raw["cluster"], resource, raw["original"], raw["written"], former)
    except (KeyError, TypeError, ValueError, AttributeError):
        return Unreadable("it is not one that this sparkctl understands")
