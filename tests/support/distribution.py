"""What is published: the wheel and the sdist, built as anybody would."""

import subprocess
import sys
from pathlib import Path

from tests.support.clusters import ROOT


def built(kind: str, folder: Path, source: Path = ROOT) -> Path:
    """The wheel or sdist of a source tree."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(folder)]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    (file,) = folder.glob("*.whl" if kind == "wheel" else "*.tar.gz")
    return file
