"""A folder as a repository of the Hub: its files, its commit, and what is answered about them."""

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

LARGE = 10 * 2**20
"""Bytes; such files, and weights of any size, lie in the Hub's large-file store."""


@dataclass(frozen=True)
class Repository:
    """A model or a dataset that a folder serves."""

    folder: Path
    kind: Literal["models", "datasets"] = "models"
    gated: bool = False
    """Only who has accepted its licence reads files."""
    members: frozenset[str] = field(default_factory=frozenset)
    """Tokens of those who have."""
    private: bool = False
    """Who is no member does not learn that it exists."""

    @cached_property
    def commit(self) -> str:
        """Of all contents, 40 hexadecimal digits."""
        whole = hashlib.sha1(usedforsecurity=False)
        for name in self.files:
            whole.update(name.encode() + b"\0" + self.bytes_of(name))
        return whole.hexdigest()

    @cached_property
    def files(self) -> list[str]:
        """Paths inside of it."""
        paths = (path for path in self.folder.rglob("*") if path.is_file())
        return sorted(path.relative_to(self.folder).as_posix() for path in paths)

    def bytes_of(self, name: str) -> bytes:
        """Contents of one of its files."""
        return (self.folder / name).read_bytes()

    def is_large(self, name: str) -> bool:
        """Whether it lies in the large-file store."""
        size = (self.folder / name).stat().st_size
        return name.endswith((".safetensors", ".bin", ".parquet")) or size >= LARGE

    def etag(self, name: str) -> str:
        """As the Hub has it: SHA-256 of what is large, git's own hash of the rest."""
        body = self.bytes_of(name)
        if self.is_large(name):
            return hashlib.sha256(body).hexdigest()
        head = f"blob {len(body)}\0".encode()
        return hashlib.sha1(head + body, usedforsecurity=False).hexdigest()

    def tree(self, under: str, *, recursive: bool) -> list[dict[str, Any]]:
        """The answer about a tree: its files, those of folders in it as folders unless asked."""
        below = [name for name in self.files if name.startswith(under)]
        if recursive:
            return [self.entry(name) for name in below]
        folders = sorted({n[: n.index("/", len(under))] for n in below if "/" in n[len(under) :]})
        return [
            *({"type": "directory", "path": name, "size": 0, "oid": "0" * 40} for name in folders),
            *(self.entry(name) for name in below if "/" not in name[len(under) :]),
        ]

    def entry(self, name: str) -> dict[str, Any]:
        """A file in the answer about a tree."""
        size = (self.folder / name).stat().st_size
        entry: dict[str, Any] = {"type": "file", "path": name, "size": size, "oid": self.etag(name)}
        if self.is_large(name):
            entry["lfs"] = {"oid": self.etag(name), "size": size, "pointerSize": 134}
        return entry
