"""Checkpoints: what a rank keeps, when it counts, and from which one all ranks resume.

    checkpoints/rank0/
        LATEST                  name of the newest that all ranks have; moved last
        step-20/
            state.pt            trained weights, optimizer, scheduler, random numbers, counters;
                                of what is sharded this rank's slices
            manifest.json       settings, the best step so far, and the SHA-256 of the other;
                                written last

Nodes share no disk: every rank writes its part into the run folder of its own node, under another
name, fsyncs and renames it. When all ranks have theirs, LATEST moves and the oldest goes; not the
one with the lowest held-out loss as long as it is wanted (`loop.keep`). A restart
resumes from the newest step that is complete on every rank; what only some have is removed, so that
parts of two attempts never mix under one step.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from training.contract.durable import sync
from training.contract.errors import ConfigurationError, writing
from training.contract.files import CHECKPOINTS
from training.loop.settings import Settings, require_same
from training.ranks.group import Group

_STEP = "step-"
_LATEST = "LATEST"
_MANIFEST = "manifest.json"


@dataclass(frozen=True)
class State:
    """One rank in the middle of a training. The step is in the folder's name."""

    weights: dict[str, torch.Tensor]
    optimizer: dict[str, Any]
    scheduler: dict[str, Any]
    rng: dict[str, Any]
    counters: dict[str, Any]

    def write(self, folder: Path) -> None:
        """Write state.pt."""
        state = {name: getattr(self, name) for name in self.__dict__}
        with (folder / "state.pt").open("wb") as file:  # by name torch would hide a full disk
            torch.save(state, file)

    @classmethod
    def read(cls, folder: Path) -> "State":
        """Read state.pt to the CPU; only data is unpickled, no code.

        Tensors are still in the file: copy them, one at a time, so that a state that fills half of
        the memory is not in it twice.
        """
        return cls(
            **torch.load(folder / "state.pt", map_location="cpu", weights_only=True, mmap=True)
        )


@dataclass(frozen=True)
class ResumePoint:
    """The checkpoint that all ranks resume from: this rank's part of it."""

    step: int
    folder: Path
    skipped: tuple[int, ...]
    """Newer steps that some rank has, but not all."""


@dataclass(frozen=True)
class LocalCheckpoints:
    """What one rank has: its complete steps, and whether one was ever complete on all ranks."""

    node: str
    steps: tuple[int, ...]
    marked: bool


def newest_common(per_rank: Sequence[LocalCheckpoints]) -> int | None:
    """The newest step that is complete on every rank. None: there is none yet, start from step 0.

    A first checkpoint that only some ranks finished does not count; one that was complete on all of
    them and is gone is a loss, which must not be taken for a first start.
    """
    common = set.intersection(*(set(local.steps) for local in per_rank))
    if common:
        return max(common)
    if not any(local.marked for local in per_rank):
        return None
    each = "; ".join(
        f"{h.node}: {', '.join(f'step {step}' for step in h.steps) or 'none'}" for h in per_rank
    )
    raise ConfigurationError(
        "checkpoint_lost",
        f"this run was saved, but no checkpoint is complete on all ranks any more ({each})",
        "Bring the run folder back to the node that lost it, or start over: remove the folder "
        "`checkpoints` from this run's folder on every node.",
    )


class Checkpoints:
    """This rank's checkpoints, in step with those of the other ranks."""

    def __init__(
        self, run_dir: Path, group: Group, settings: Settings, keep: int, usual: Settings
    ) -> None:
        """`settings`: of this training; `usual`: those that an older version did not have."""
        self._folder = run_dir / CHECKPOINTS / f"rank{group.env.rank}"
        self._group = group
        self._settings, self._usual = settings, usual
        self._keep = keep

    def negotiate(self) -> ResumePoint | None:
        """Agree with all ranks where to resume, and remove what is of no use for that.

        Every rank gets the same step, or every rank raises the same kind of error.
        """
        manifests = self._group.run_on_all(self._read_manifests)
        # Any rank's mark will do: a rank that moved to this node has no part here.
        marked = any(self._folder.parent.glob(f"rank*/{_LATEST}"))
        node = self._group.env.node
        per_rank = self._group.gather(LocalCheckpoints(node, tuple(sorted(manifests)), marked))
        step = newest_common(per_rank)
        if step is not None:
            where, then = self._at(step), {**self._usual, **manifests[step]["settings"]}
            self._group.run_on_all(lambda: require_same(then, self._settings, where))
        common = set.intersection(*(set(local.steps) for local in per_rank))
        self._group.run_on_all(lambda: self._remove_all_but(common))
        if step is None:
            return None
        newer = {other for local in per_rank for other in local.steps if other > step}
        return ResumePoint(step, self._at(step), tuple(sorted(newer)))

    def save(self, step: int, write: Callable[[Path], None], best: int | None = None) -> int:
        """Let `write` fill a folder on every rank, and make it count; its size in bytes here.

        `best` is an earlier step, or this one, whose checkpoint must stay as long as this one does.
        Raises on all ranks when one cannot write. Old ones go only when all ranks have the new one.
        """
        self._group.with_step_timeout().run_on_all(lambda: self._write(step, write, best))
        with writing(self._folder / _LATEST):
            _write_synced(self._folder / f".{_LATEST}.tmp", self._at(step).name.encode())
            _rename(self._folder / f".{_LATEST}.tmp", self._folder / _LATEST)
        newest = set(sorted(self._steps())[-self._keep :])
        for old in set(self._steps()) - newest - {self._best_of(new) for new in newest}:
            shutil.rmtree(self._at(old))
        return sum(file.stat().st_size for file in self._at(step).iterdir())

    def weights_of(self, step: int) -> dict[str, torch.Tensor]:
        """This rank's part of the weights as they were after a step that is still there."""
        return State.read(self._at(step)).weights

    def _write(self, step: int, write: Callable[[Path], None], best: int | None) -> None:
        with writing(self._at(step)):
            self._write_temp(step, write, best)

    def _write_temp(self, step: int, write: Callable[[Path], None], best: int | None) -> None:
        temp = self._folder / f".{_STEP}{step}.tmp"
        shutil.rmtree(temp, ignore_errors=True)
        temp.mkdir(parents=True)
        sync(self._folder.parent)  # the first time these folders are new to the disk too
        sync(self._folder.parent.parent)
        write(temp)
        for file in temp.iterdir():
            sync(file)
        manifest = {
            "settings": self._settings,
            "best": best,
            "sha256": {file.name: _sha256(file) for file in temp.iterdir()},
        }
        _write_synced(temp / _MANIFEST, json.dumps(manifest, indent=1).encode())
        sync(temp)
        _rename(temp, self._at(step))

    def _read_manifests(self) -> dict[int, dict[str, Any]]:
        """The manifests of the whole ones, by step. To one belongs the best step before it."""
        read = {step: _whole_manifest(self._at(step)) for step in self._steps()}
        whole = {step: manifest for step, manifest in read.items() if manifest is not None}
        return {s: m for s, m in whole.items() if m.get("best") is None or m["best"] in whole}

    def _best_of(self, step: int) -> int | None:
        manifest = json.loads((self._at(step) / _MANIFEST).read_text(encoding="utf-8"))
        best: int | None = manifest.get("best")
        return best

    def _steps(self) -> list[int]:
        numbers = [path.name.removeprefix(_STEP) for path in self._folder.glob(f"{_STEP}*")]
        return [int(number) for number in numbers if number.isdecimal()]

    def _remove_all_but(self, steps: set[int]) -> None:
        wanted = {self._at(step).name for step in steps} | {_LATEST}
        for path in self._folder.glob("*"):
            if path.name not in wanted:
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    def _at(self, step: int) -> Path:
        return self._folder / f"{_STEP}{step}"


def _whole_manifest(folder: Path) -> dict[str, Any] | None:
    """The manifest, if it exists and every file is as it was written."""
    try:
        manifest: dict[str, Any] = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
        sums: dict[str, str] = manifest["sha256"]
        whole = all(_sha256(folder / name) == sum_ for name, sum_ in sums.items())
        return manifest if whole and "settings" in manifest else None
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None  # incomplete: a power cut, a full disk, an edit


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _write_synced(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    sync(file)


def _rename(old: Path, new: Path) -> None:
    old.replace(new)
    sync(new.parent)
