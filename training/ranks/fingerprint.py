"""One name for the content of a checkpoint folder or a document, so that ranks compare theirs."""

import hashlib
import json
import os
from pathlib import Path

WHOLE_FILE = 64 * 2**20
"""Files up to this size (bytes) are hashed whole."""
SAMPLES, SAMPLE = 64, 64 * 2**10
"""Of larger files, this many evenly spaced pieces of this many bytes are hashed."""

_SUFFIXES = {".safetensors", ".json", ".model", ".txt", ".jinja"}


def folder_sha256(folder: Path) -> str:
    """SHA-256 over name, size and content of a checkpoint's files, sorted by name.

    A 140 GB base would take minutes to hash whole on every start, so large files are sampled
    (first and last piece included: header, sizes and truncation are always seen). That finds
    another or an unfinished checkpoint, not a single flipped bit. Times and links do not count.
    """
    total = hashlib.sha256()
    for file in sorted(f for f in folder.iterdir() if f.is_file() and f.suffix in _SUFFIXES):
        size = file.stat().st_size
        total.update(f"{file.name}\0{size}\0".encode())
        with file.open("rb") as stream:
            if size <= WHOLE_FILE:
                total.update(stream.read())
                continue
            for piece in range(SAMPLES):
                stream.seek((size - SAMPLE) * piece // (SAMPLES - 1))
                total.update(stream.read(SAMPLE))
            # Sampling 140 GB must not push the weights' own pages out of unified memory.
            os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return total.hexdigest()


def document_sha256(document: object) -> str:
    """SHA-256 of a JSON document, the same for equal content whatever the order of its keys."""
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
