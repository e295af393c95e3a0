"""An engine from elsewhere: a folder of this computer, read and never run here."""

import errno
import os
import stat
from collections.abc import Iterator
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Never

from orchestrator.engines.engine import Engine
from orchestrator.engines.sources import sources
from orchestrator.engines.spec import FILE, EngineSpec
from orchestrator.errors import SpecError
from orchestrator.spec.document import Document, read_document
from orchestrator.spec.files import UnfitFile, read_text
from orchestrator.spec.validate import validate
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
    return Engine(spec, partial(_template, folder), partial(_contents, folder))


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
        if not (folder / file.template).exists():
            raise SpecError(f"{at}.template: there is no {file.template} in {folder}")
        _template(folder, file.template)


def _template(folder: Path, name: str) -> str:
    """A file of the folder itself: no link on the way leads to another of this computer."""
    path = folder / name
    if path.resolve() != folder.resolve() / name:
        raise SpecError(f"{path}: a template is a file of the engine's folder, not a link")
    try:
        return read_text(path)
    except UnfitFile as error:
        raise SpecError(f"{path}: the template cannot be read", details=str(error)) from None


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
    """By path; what is hidden stays here. Raises SpecError for what is no plain, readable file.

    Nothing is read, or even listed, far beyond what may go to the nodes.
    """
    room, left = _MOST, _FILES
    for path in _below(folder):
        content = _plain(path, room)
        room, left = room - len(content), left - 1
        if room < 0 or left < 0:
            raise SpecError(
                f"{folder}: more than {_MOST >> 20} MiB, or {_FILES} files",
                resolution="All of it goes to every node: data and models belong in paths.data.",
            )
        yield str(path.relative_to(folder)), content


def _below(folder: Path) -> Iterator[Path]:
    """Files and links, in one order; hidden folders are not entered."""
    for where, inner, names in os.walk(folder, onerror=_unreadable):
        links = [name for name in inner if (Path(where) / name).is_symlink()]
        inner[:] = sorted(name for name in inner if name not in links and _goes_along(name))
        for name in sorted(filter(_goes_along, [*names, *links])):
            yield Path(where) / name


def _goes_along(name: str) -> bool:
    return not name.startswith(".") and name != "__pycache__"


def _plain(path: Path, most: int) -> bytes:
    """Its content, of which a byte more than `most` is enough. Nothing waits here."""
    try:
        opened = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(opened, "rb") as file:
            if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return file.read(max(most, 0) + 1)
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.ENXIO):  # a link, a socket
            _unreadable(error)
    raise SpecError(
        f"{path}: an engine has plain files only",
        resolution="What a link leads to would go to the nodes: copy it, or take it away.",
    )


def _unreadable(error: OSError) -> Never:
    raise SpecError(f"{error.filename}: cannot be read: {error.strerror}") from None
