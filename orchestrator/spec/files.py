"""Files of this computer that somebody names: regular, of bounded size, private where it counts."""

import codecs
import os
import stat
from pathlib import Path

LIMIT = 2**20
"""Bytes. A file that people write is far below."""


class UnfitFile(Exception):
    """Why a file was not taken."""


class NoFile(UnfitFile):
    """There is none of that name."""


class OpenToOthers(UnfitFile):
    """Others may read or write a file that only its owner should."""


def read_text(path: Path, *, limit: int = LIMIT) -> str:
    """The text of a file. Raises UnfitFile.

    Nothing waits here: a pipe, a device or a socket is refused before it is read.
    """
    return _read(path, limit)[0]


def read_private(path: Path) -> str:
    """The text of a file that nobody but its owner may read or write, else OpenToOthers."""
    text, mode = _read(path, LIMIT)
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise OpenToOthers(f"mode {stat.S_IMODE(mode):o}")
    return text


def _read(path: Path, limit: int) -> tuple[str, int]:
    """The text, and the mode of the file that it was read from."""
    try:
        opened = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(opened, "rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if not stat.S_ISREG(mode):
                raise UnfitFile("it is not a regular file")
            content = file.read(limit + 1)
    except FileNotFoundError as error:
        raise NoFile(error.strerror) from None
    except (OSError, ValueError) as error:  # ValueError: a name with a null character
        raise UnfitFile(getattr(error, "strerror", None) or str(error)) from None
    if len(content) > limit:
        raise UnfitFile(f"it is larger than {limit // 2**20} MiB")
    # PowerShell writes UTF-16 with its mark, which YAML allows.
    wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return content.decode("utf-16" if wide else "utf-8"), mode
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UnfitFile(f"line {line} is not text in {'UTF-16' if wide else 'UTF-8'}") from None
