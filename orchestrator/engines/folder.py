"""A folder of this computer that goes into an image: read within bounds, plain files alone."""

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Never

from orchestrator.errors import SpecError

_MOST, _FILES = 64 * 2**20, 2000
"""Bytes and files of a folder, all of which goes to every node."""


def files_of(folder: Path) -> Iterator[tuple[str, bytes]]:
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
        f"{path}: a folder for the nodes has plain files only",
        resolution="What a link leads to would go to the nodes: copy it, or take it away.",
    )


def _unreadable(error: OSError) -> Never:
    raise SpecError(f"{error.filename}: cannot be read: {error.strerror}") from None
