"""Stand-in commands: small scripts first on PATH, where the real ones would touch the machine."""

from pathlib import Path


def stand_in(folder: Path, name: str, script: str) -> Path:
    """An executable `name` in `folder` that runs this POSIX shell script."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path
