"""Build contexts made in memory, the same bytes on every computer."""

import hashlib
import io
import tarfile
from importlib.resources.abc import Traversable


def archive(files: dict[str, bytes], *, owner: int = 0) -> bytes:
    """A tar of `files` (path -> content). What begins with `#!` is executable.

    Times and owners are fixed, so that equal content gives equal bytes.
    """
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path in sorted(files):
            entry = tarfile.TarInfo(path)
            entry.size = len(files[path])
            entry.mode = 0o755 if files[path].startswith(b"#!") else 0o644
            entry.uid = entry.gid = owner
            tar.addfile(entry, io.BytesIO(files[path]))
    return buffer.getvalue()


def read_tree(folder: Traversable, prefix: str = "") -> dict[str, bytes]:
    """All files below `folder`: path -> content."""
    found: dict[str, bytes] = {}
    for child in folder.iterdir():
        path = f"{prefix}{child.name}"
        if child.is_dir():
            found |= read_tree(child, f"{path}/")
        elif child.name != ".DS_Store":
            found[path] = child.read_bytes()
    return found


def digest(*parts: bytes | str) -> str:
    """Twelve hex digits that change when any part changes."""
    total = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        total.update(len(data).to_bytes(8, "big") + data)
    return total.hexdigest()[:12]
