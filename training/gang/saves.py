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

from training.gang.messages import SAVE_NAME, SAVE_PATH, Offered, Piece, Wanted

LARGEST = 256 * 2**20
"""Bytes of a file, at most, that is shared: adapters and their optimizer, not whole models."""
_ALL, _FILES = 512 * 2**20, 200
"""Bytes and files of one save, at most."""
_PIECE = 3 * 2**16
"""Bytes in one message."""
_NUMBER = re.compile(r"(?:.*[^0-9])?([0-9]{1,12})", re.DOTALL)
_NAME, _PATH = re.compile(SAVE_NAME), re.compile(SAVE_PATH)
_REMEMBERED = 8
_HALF = ".sparkctl-half"
"""Ends the name of a file that is still being received."""


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

    def offer(self, name: str) -> tuple[Offered, list[str]]:
        """Its files that are shared, and those that are not. Raises OSError when it goes."""
        root, left = self.folder / name, _ALL
        files: list[str] = []
        kept: list[str] = []
        for file in sorted(root.rglob("*")):
            if file.is_symlink() or not file.is_file():
                continue
            path, size = str(file.relative_to(root)), file.stat().st_size
            fits = size <= min(LARGEST, left) and len(files) < _FILES
            if fits and _PATH.match(path) and len(path) <= 400:
                files.append(path)
                left -= size
            else:
                kept.append(path)
        return Offered(save=name, files=tuple(files)), kept

    def pieces(self, wanted: Wanted) -> Iterator[Piece]:
        """The content of these files. Raises OSError for one that is gone."""
        for name in wanted.files:
            file = self.folder / wanted.save / name
            if not _is_below(file, self.folder):
                continue
            with file.open("rb") as stream:
                offset, part, last = 0, stream.read(_PIECE), False
                while not last:
                    following = stream.read(_PIECE)
                    last = not following
                    content = base64.b64encode(part).decode()
                    yield Piece(
                        save=wanted.save, file=name, offset=offset, content=content, last=last
                    )
                    offset, part = offset + len(part), following

    def _numbered(self) -> dict[str, int]:
        if not self.folder.is_dir():
            return {}
        folders = [e.name for e in self.folder.iterdir() if e.is_dir() and not e.is_symlink()]
        found = {name: _NUMBER.fullmatch(name) for name in folders if _NAME.match(name)}
        return {name: int(match[1]) for name, match in found.items() if match}

    @property
    def _list(self) -> Path:
        return self.folder / f".complete-rank{self.rank}.json"


class Received:
    """Files of rank 0's, put beside this rank's own; what this rank wrote itself stays."""

    def __init__(self, folder: Path, rank: int) -> None:
        self._folder = folder
        self._list = folder / f".shared-rank{rank}.json"
        self._left: dict[str, set[str]] = {}
        """By save, the files that are still to come."""

    def begin(self) -> None:
        """Of a new attempt: halves of files of an earlier one go. Raises OSError."""
        for half in self._folder.rglob(f".*{_HALF}"):
            half.unlink(missing_ok=True)

    def lacking(self, offered: Offered) -> Wanted:
        """What is not there, or came from rank 0 before: it may be another one by now."""
        ours = self._ours()
        lacking = [
            name
            for name in offered.files
            if _is_below(file := self._folder / offered.save / name, self._folder)
            and (not file.exists() or _is(file, ours.get(f"{offered.save}/{name}")))
        ]
        self._left[offered.save] = set(lacking)
        return Wanted(save=offered.save, files=tuple(lacking))

    def piece(self, piece: Piece) -> bool:
        """Keep it; with its last one a file is there. Whether now the whole save is.

        Raises OSError, ValueError: nothing more of this save is kept then.
        """
        left = self._left.get(piece.save, set())
        if piece.file not in left:
            return False  # not asked for, or of a save that has failed
        try:
            if self._kept(piece):
                left.discard(piece.file)
        except (OSError, ValueError):
            del self._left[piece.save]
            raise
        return not left

    def _kept(self, piece: Piece) -> bool:
        """Whether the file is there now."""
        path = f"{piece.save}/{piece.file}"
        file = self._folder / path
        if not _is_below(file, self._folder):
            raise ValueError(f"{path} leads elsewhere")
        half = file.with_name(f".{file.name}{_HALF}")
        half.parent.mkdir(parents=True, exist_ok=True)
        with half.open("ab" if piece.offset else "wb") as written:
            if written.tell() != piece.offset or piece.offset > LARGEST:
                raise ValueError(f"{path} came in another order, or is too large")
            written.write(base64.b64decode(piece.content, validate=True))
        if piece.last:
            known = {**self._ours(), path: _sha256(half)}
            half.replace(file)
            _replace(self._list, json.dumps(known))
        return piece.last

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
