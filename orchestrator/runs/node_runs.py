"""The runs on one node, and whether its record of each can be trusted. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import ValidationError

from orchestrator.facts.protocol import decode, parsing
from orchestrator.runs.seen import OF_A_RANK
from training.contract.files import RECORD, is_run_name
from training.contract.record import VERSION, RunRecord
from training.contract.sentences import told


@dataclass(frozen=True)
class RunOnNode:
    """A run on one node."""

    record: RunRecord | None
    why: str | None
    """Why there is no record, in words."""
    legacy: bool
    """The record lies in the run folder, where the run's container can write."""
    files: Mapping[str, str]
    """Texts of the ranks' files, by name."""
    bytes: int
    """Size of the run folder."""


@dataclass(frozen=True)
class NodeRuns:
    """One node."""

    folder: str
    """`paths.runs` there, without `~`."""
    clock: datetime | None
    """UTC."""
    runs: Mapping[str, RunOnNode]


def parse_node_runs(node: str, output: bytes) -> NodeRuns:
    """Parse what `runs.sh.j2` has printed on this node. Names that no run can have are skipped."""
    files: dict[str, dict[str, str]] = {}
    with parsing(node, __file__):
        found = decode(output)
    for path, value in found.items():
        run, slash, name = path.rpartition("/")
        if slash:
            files.setdefault(run, {})[name] = value.decode("utf-8", "replace")
    own = files.pop("", {})
    folder, clock = own.get("folder", ""), _time(own.get("clock", ""))
    runs = {run: _run_on_node(node, folder, run, found, clock) for run, found in files.items()
            if is_run_name(run) and _is_one(found)}  # fmt: skip
    return NodeRuns(folder, clock, runs)


def _is_one(files: Mapping[str, str]) -> bool:
    """Whether there is anything of ours in the folder."""
    return any(
        text and (name in ("record", RECORD) or OF_A_RANK.fullmatch(name))
        for name, text in files.items()
    )


def _run_on_node(
    node: str, folder: str, run: str, files: Mapping[str, str], clock: datetime | None
) -> RunOnNode:
    legacy = not files.get("record")
    text = files.get(RECORD, "") if legacy else files["record"]
    record, why = _record(node, f"{folder}/{run}", run, text)
    if record is not None and clock is not None:
        record = record.model_copy(update={"created": min(record.created, clock)})
    size = files.get("size", "").strip()
    return RunOnNode(record, why, legacy, files, int(size) * 1024 if size.isdecimal() else 0)


def _record(node: str, folder: str, run: str, text: str) -> tuple[RunRecord | None, str | None]:
    if not text:
        return None, "its record is missing"
    try:
        record = RunRecord.model_validate_json(text)
    except ValidationError as error:
        return None, _newer(text) or f"its record cannot be understood: {_first(error)}"
    if record.run != run:
        return None, f"its record is of another run, {record.run}"
    place = next((place for place in record.ranks if place.node == node), None)
    if place is None:
        return None, f"{node}, which has it, is not in its record"
    if place.folder != folder:
        return None, f"its record names another folder, {place.folder}"
    return record, None


def _newer(text: str) -> str | None:
    try:
        version = json.loads(text).get("version")
    except (ValueError, AttributeError, RecursionError):
        return None
    newer = isinstance(version, int) and VERSION < version < 2**31
    return f"written by a newer sparkctl (version {version})" if newer else None


def _first(error: ValidationError) -> str:
    return told(error, {})[0]


def _time(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text.strip()).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
