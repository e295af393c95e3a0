"""An engine from elsewhere: a folder of this computer, read and never run here."""

import stat
from collections.abc import Iterator
from functools import partial
from importlib.resources import files
from pathlib import Path

from orchestrator.engines.engine import Engine
from orchestrator.engines.sources import sources
from orchestrator.engines.spec import FILE, EngineSpec
from orchestrator.errors import SpecError
from orchestrator.spec.document import Document, read_document, validate
from training.contract.config import TrainingConfig

_MOST, _FILES = 64 * 2**20, 2000
"""Bytes and files of a folder, all of which goes to every node."""
_SUPERVISORS = ("training/__init__.py", "training/contract/", "training/gang/")
_REQUIREMENTS = "requirements.txt"


def outside(folder: Path) -> Engine:
    """The engine in this folder. Raises SpecError, with the place, for one that cannot be."""
    document = read_document(
        folder / FILE,
        what="engine",
        resolution=f"An engine is a folder with an {FILE}: docs/engines.md.",
    )
    spec = validate(EngineSpec, document)
    _refuse(spec, folder, document)
    return Engine(spec, folder, partial(_contents, folder))


def _refuse(spec: EngineSpec, folder: Path, document: Document) -> None:
    """What only ours may do, and what is missing."""
    place = document.place
    if not spec.command:
        raise SpecError(f"{document.source}: command: this key is missing")
    if spec.proof == "proved":
        raise SpecError(
            f"{place(('proof',))}: proof: `checked` or `exit code` is expected",
            resolution="Only sparkctl's own training proves its group before step 1.",
        )
    for number, file in enumerate(spec.files):
        at = f"{place(('files', number))}: files.{number}"
        if (file.variable or "").startswith("SPARKCTL_"):
            raise SpecError(f"{at}.variable: names that begin with SPARKCTL_ are taken")
        if not (folder / file.template).is_file():
            raise SpecError(f"{at}.template: there is no {file.template} in {folder}")


def _contents(folder: Path, _: TrainingConfig) -> dict[str, bytes]:
    """The supervisors, and the folder as it is."""
    own = dict(_files_of(folder))
    ours = {
        path: content
        for path, content in sources("training").items()
        if path.startswith(_SUPERVISORS)
    }
    return {
        "Dockerfile": (files("orchestrator.engines") / "Dockerfile").read_bytes(),
        _REQUIREMENTS: own.get(_REQUIREMENTS, b""),
        **ours,
        **{f"engine/{path}": content for path, content in own.items()},
    }


def _files_of(folder: Path) -> Iterator[tuple[str, bytes]]:
    """By path; what is hidden stays here. Raises SpecError for what is no plain file."""
    room, left = _MOST, _FILES
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if any(part.startswith(".") or part == "__pycache__" for part in name.parts):
            continue
        mode = path.lstat().st_mode
        if stat.S_ISDIR(mode):
            continue
        if not stat.S_ISREG(mode):
            raise SpecError(
                f"{path}: an engine has plain files only",
                resolution="What a link leads to would go to the nodes: copy it, or take it away.",
            )
        room, left = room - path.stat().st_size, left - 1
        if room < 0 or left < 0:
            raise SpecError(
                f"{folder}: more than {_MOST >> 20} MiB, or {_FILES} files",
                resolution="All of it goes to every node: data and models belong in paths.data.",
            )
        yield str(name), path.read_bytes()
