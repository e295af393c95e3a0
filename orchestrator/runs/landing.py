"""The folder on this computer that a run is fetched to: whole, or not at all.

Everything is opened from the folder that is above it and no link is followed, so that nothing is
ever written beside it. What has arrived stays when something goes wrong: the next try resumes.
"""

import contextlib
import errno
import fcntl
import hashlib
import os
import shutil
import stat
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import RunError
from orchestrator.runs.offered import Offer

_CHUNK = 2**20
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True)
class Landing:
    """`target` when it is whole, `temp` until then."""

    target: Path
    temp: Path
    _top: int
    """The open folder `temp`."""

    @classmethod
    @contextmanager
    def opened(cls, into: Path, name: str) -> "Iterator[Landing]":
        """The folder for `into/name`, for one who fetches at a time.

        Raises RunError when that is there already, or the temporary folder is somebody else's.
        """
        target, temp = into / name, into / f".{name}.part"
        if os.path.lexists(target):
            raise RunError(
                f"{target} is there already",
                resolution="Move it away, or name another folder: --to.",
            )
        with _here(temp):
            into.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileExistsError):
                temp.mkdir()
            top = os.open(temp, _FOLDER)
        try:
            if os.fstat(top).st_uid != os.geteuid():
                raise RunError(f"{temp} is somebody else's", resolution=f"Remove it: {temp}")
            try:
                fcntl.flock(top, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise RunError(f"{name} is being fetched to {into} already") from None
            yield cls(target, temp, top)
        finally:
            os.close(top)

    def free(self) -> int:
        """Bytes that there is room for."""
        with _here(self.temp):
            return shutil.disk_usage(self.temp).free

    def keep_only(self, names: Collection[str]) -> None:
        """Delete what an earlier try has left and nobody wants any more."""
        with _here(self.temp):
            for folder, inner, files, fd in os.fwalk(".", topdown=False, dir_fd=self._top):
                for file in files:
                    if os.path.normpath(f"{folder}/{file}") not in names:
                        os.unlink(file, dir_fd=fd)
                for name in inner:
                    if stat.S_ISLNK(os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode):
                        os.unlink(name, dir_fd=fd)
                        continue
                    with contextlib.suppress(OSError):  # it is not empty
                        os.rmdir(name, dir_fd=fd)

    def has(self, offer: Offer) -> bool:
        """Whether an earlier try has brought it."""
        try:
            with self._above(offer.name, make=False) as (folder, leaf):
                file = os.fdopen(os.open(leaf, _READ, dir_fd=folder), "rb")
            with file:
                seen = os.fstat(file.fileno())
                if not stat.S_ISREG(seen.st_mode) or seen.st_size != offer.size:
                    return False
                return hashlib.file_digest(file, "sha256").hexdigest() == offer.sha256
        except OSError:
            return False

    @contextmanager
    def new(self, name: str) -> Iterator[Callable[[bytes], None]]:
        """A file that was not there; what is given to the function is written to it."""
        where = self.temp / name
        with _here(where), self._above(name, make=True) as (folder, leaf):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(leaf, dir_fd=folder)
            file = os.fdopen(os.open(leaf, _NEW, 0o666, dir_fd=folder), "wb", _CHUNK)

        def put(chunk: bytes) -> None:
            with _here(where):
                file.write(chunk)

        try:
            yield put
            with _here(where):
                file.flush()
                os.fsync(file.fileno())
        finally:
            with contextlib.suppress(OSError):  # it was reported already, or by the flush
                file.close()

    def finish(self) -> Path:
        """Rename it to its target: it is whole."""
        with _here(self.target):
            self.temp.rename(self.target)
        return self.target

    @contextmanager
    def _above(self, name: str, *, make: bool) -> Iterator[tuple[int, str]]:
        """The open folder that a file is in, and the last part of its name."""
        *folders, leaf = name.split("/")
        current = os.dup(self._top)
        try:
            for folder in folders:
                if make:
                    with contextlib.suppress(FileExistsError):
                        os.mkdir(folder, dir_fd=current)
                below = os.open(folder, _FOLDER, dir_fd=current)
                os.close(current)
                current = below
            yield current, leaf
        finally:
            os.close(current)


@contextmanager
def _here(path: Path) -> Iterator[None]:
    """Raise an OSError of this computer's disk as a RunError: which place, and how to fix it."""
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise RunError(
            f"{path} could not be written: {error.strerror or error}",
            resolution=("Make room there" if full else "Fix that")
            + ", or name another folder (--to), and run the same command again: what has come "
            "to the same folder is not sent again.",
        ) from None
