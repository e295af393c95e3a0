"""Folders beside each other, each whole or not there; the ones that were used last are kept."""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from training.contract.durable import sync

_ASIDE = "."
"""Names of folders that are being made or removed begin with it."""
_YOUNG = 60
"""Seconds that a folder may be new and not locked yet."""


@dataclass(frozen=True)
class Shelf:
    """What is made once under a key."""

    folder: Path
    kept: int = 8

    def at(self, key: str) -> Path:
        """Where it is, if it is there."""
        return self.folder / key

    @contextmanager
    def new(self) -> Iterator[Path]:
        """A folder to fill and to `put`. Else it goes after the block; that of a process which was
        killed goes when somebody tidies up."""
        self.folder.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=f"{_ASIDE}new-", dir=self.folder))
        lock = os.open(aside, os.O_RDONLY)  # the system lets go of it when this process ends
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield aside
        finally:
            os.close(lock)
            shutil.rmtree(aside, ignore_errors=True)

    def put(self, aside: Path, key: str) -> None:
        """It is there from now on, after a power cut too; what was there is not."""
        sync(aside)
        try:
            aside.rename(self.at(key))
        except OSError:
            self._remove(self.at(key))
            aside.rename(self.at(key))
        sync(self.folder)

    def tidy(self, used: str) -> None:
        """Note that this one was used now. Remove those whose use was longest ago, and leftovers of
        processes that are gone."""
        with suppress(OSError):  # it is there; that somebody else may have made it is no matter
            os.utime(self.at(used))
        whole = list[tuple[float, Path]]()
        for path in self.folder.iterdir():
            with suppress(OSError):  # another process tidies up, too
                changed = path.lstat().st_mtime
                if not path.name.startswith(_ASIDE):
                    whole.append((changed, path))
                elif time.time() - changed > _YOUNG and not _locked(path):
                    _delete(path)
        for _, path in sorted(whole)[: -self.kept]:
            with suppress(OSError):
                self._remove(path)

    def _remove(self, path: Path) -> None:
        """At once, and then its content: nobody sees a half of it."""
        with tempfile.TemporaryDirectory(prefix=f"{_ASIDE}old-", dir=self.folder) as aside:
            path.rename(Path(aside) / path.name)


def _locked(path: Path) -> bool:
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _delete(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
