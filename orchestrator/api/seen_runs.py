"""Names of runs that were seen last, by cluster file: for completion, which asks no machine."""

import os
import re
from collections.abc import Iterable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{0,79}")
_MOST = 200
_UNFIT = (OSError, UnicodeDecodeError, RuntimeError)
"""The last is Path's when there is no home."""


def seen(cluster_file: Path) -> list[str]:
    """As they were remembered; empty when nothing was."""
    with suppress(*_UNFIT):
        lines = _place(cluster_file).read_text(encoding="ascii").splitlines()
        return [name for name in lines if _NAME.fullmatch(name)]
    return []


def remember(cluster_file: Path, names: Iterable[str]) -> None:
    """Instead of those of before. Nothing depends on it: where it cannot be written it is not."""
    kept = [name for name in dict.fromkeys(names) if _NAME.fullmatch(name)][:_MOST]
    with suppress(*_UNFIT):
        place = _place(cluster_file)
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        beside = place.with_suffix(f".{os.getpid()}")
        beside.write_text("".join(f"{name}\n" for name in kept), encoding="ascii")
        beside.replace(place)


def _place(cluster_file: Path) -> Path:
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    name = sha256(os.fsencode(cluster_file.absolute())).hexdigest()[:16]
    return Path(cache).expanduser() / "sparkctl" / "runs" / name
