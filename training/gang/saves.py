"""A script's saves: which are complete on this rank, and what other ranks need of rank 0's.

Frameworks write what belongs to no rank on rank 0 alone (`trainer_state.json`, `.metadata`,
`latest`, with DDP the optimizer): they expect a disk that all ranks share. Without it the others
could not resume, or would hang.
"""

import base64
import hashlib
import json
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from training.gang.messages import SAVE_PATH, Offered, Piece, Wanted

LARGEST = 256 * 2**20
"""Bytes of a file, at most, that is shared: adapters and their optimizer, not whole models."""
_ALL, _FILES = 512 * 2**20, 200
"""Bytes and files of one save, at most."""
_PIECE = 3 * 2**16
"""Bytes in one message."""
_NUMBER = re.compile(r"(?:[A-Za-z]|[A-Za-z0-9][\w.-]*[^0-9])?([0-9]{1,12})")
_PATH = re.compile(SAVE_PATH)
_REMEMBERED = 8


@dataclass(frozen=True)
class Saves:
    """Folders below `checkpoints/` on this rank's node, one for each save: `checkpoint-20`."""

    folder: Path
    rank: int

    def complete(self, step: int, seen: Collection[str]) -> Iterator[str]:
        """Those of steps before this one but not `seen`, oldest first: who goes on has saved."""
        numbered = self._numbered()
        for name in sorted(numbered, key=numbered.__getitem__):
            if numbered[name] < step and name not in seen:
                yield name

    def known(self) -> tuple[str, ...]:
        """Those that are complete, newest first, and still there."""
        try:
            names = json.loads(self._list.read_text("utf-8"))
        except (OSError, ValueError):
            return ()
        there = self._numbered()
        found = {name for name in names if isinstance(name, str) and name in there}
        return tuple(sorted(found, key=there.__getitem__, reverse=True)[:_REMEMBERED])

    def remember(self, name: str) -> None:
        """It is complete, and where it is rank 0's the others have what they lacked of it."""
        _replace(self._list, json.dumps(sorted({name, *self.known()})))

    def offer(self, name: str) -> Offered:
        """Its files, as far as they are shared."""
        root, left = self.folder / name, _ALL
        files: list[str] = []
        for file in sorted(root.rglob("*")):
            if file.is_symlink() or not file.is_file() or (size := file.stat().st_size) > LARGEST:
                continue
            path, left = str(file.relative_to(root)), left - size
            if left >= 0 and len(files) < _FILES and _PATH.match(path) and len(path) <= 400:
                files.append(path)
        return Offered(save=name, files=tuple(files))

    def pieces(self, wanted: Wanted) -> Iterator[Piece]:
        """The content of these files. Raises OSError for one that is gone."""
        for name in wanted.files:
            file = self.folder / wanted.save / name
            if not _is_below(file, self.folder):
                continue
            with file.open("rb") as stream:
                part = stream.read(_PIECE)
                while True:
                    following = stream.read(_PIECE)
                    content = base64.b64encode(part).decode()
                    yield Piece(save=wanted.save, file=name, content=content, last=not following)
                    if not following:
                        break
                    part = following

    def _numbered(self) -> dict[str, int]:
        if not self.folder.is_dir():
            return {}
        folders = [e.name for e in self.folder.iterdir() if e.is_dir() and not e.is_symlink()]
        found = {name: _NUMBER.fullmatch(name) for name in folders}
        return {name: int(match[1]) for name, match in found.items() if match}

    @property
    def _list(self) -> Path:
        return self.folder / f".complete-rank{self.rank}.json"


class Received:
    """Files of rank 0's, put beside this rank's own; what this rank wrote itself stays."""

    def __init__(self, folder: Path, rank: int) -> None:
        self._folder = folder
        self._list = folder / f".shared-rank{rank}.json"
        self._partial = folder / f".partial-rank{rank}"

    def lacking(self, offered: Offered) -> Wanted:
        """What is not there, or came from rank 0 before: it may be another one by now."""
        ours = self._ours()
        lacking = [
            name
            for name in offered.files
            if _is_below(file := self._folder / offered.save / name, self._folder)
            and (not file.exists() or _is(file, ours.get(f"{offered.save}/{name}")))
        ]
        return Wanted(save=offered.save, files=tuple(lacking))

    def piece(self, piece: Piece) -> None:
        """Keep it; with the last one the file is there. Raises OSError, ValueError."""
        file = self._folder / piece.save / piece.file
        if not _is_below(file, self._folder):
            raise ValueError(f"{piece.save}/{piece.file} leads elsewhere")
        self._folder.mkdir(parents=True, exist_ok=True)
        with self._partial.open("ab") as partial:
            partial.write(base64.b64decode(piece.content, validate=True))
        if self._partial.stat().st_size > LARGEST:
            self._partial.unlink()
            raise ValueError(f"{piece.file} is too large to be shared")
        if piece.last:
            file.parent.mkdir(parents=True, exist_ok=True)
            known = {**self._ours(), f"{piece.save}/{piece.file}": _sha256(self._partial)}
            self._partial.replace(file)
            _replace(self._list, json.dumps(known))

    def begin(self) -> None:
        """Of a new attempt: half a file of an earlier one goes."""
        self._partial.unlink(missing_ok=True)

    def _ours(self) -> dict[str, str]:
        """SHA-256 of what came from rank 0, by path."""
        try:
            known = json.loads(self._list.read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        return known if isinstance(known, dict) else {}


def common(rank_0: Sequence[str], others: Sequence[Sequence[str]]) -> str | None:
    """The newest save of rank 0 that every rank which saves anything itself has as well."""
    return next((name for name in rank_0 if all(name in known for known in others if known)), None)


def _is_below(file: Path, folder: Path) -> bool:
    """No link, and no `..`, on the way to it."""
    return file.resolve() == folder.resolve() / file.relative_to(folder) and ".." not in file.parts


def _is(file: Path, sha256: str | None) -> bool:
    return sha256 is not None and _sha256(file) == sha256


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _replace(file: Path, text: str) -> None:
    temp = file.with_suffix(".tmp")
    temp.write_text(text, "utf-8")
    temp.replace(file)
