"""sparkctl as people install it: the wheel, by `uv tool install`, in folders of its own."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from uv import find_uv_bin

_OF_PIP = {"index-url": "UV_DEFAULT_INDEX", "cert": "SSL_CERT_FILE"}


@dataclass(frozen=True)
class Installed:
    """Where `uv tool install` has put it."""

    program: Path
    python: Path
    """The interpreter of its environment."""


def install(wheel: Path, folder: Path, python: str = sys.executable) -> Installed:
    """Into `folder`; nothing of this checkout is in it, nor in the environment it is used with."""
    env = {"UV_TOOL_DIR": str(folder / "tools"), "UV_TOOL_BIN_DIR": str(folder / "bin")}
    done = _uv("tool", "install", "--python", python, str(wheel), **env)
    assert done.returncode == 0, done.stderr
    return Installed(folder / "bin" / "sparkctl", folder / "tools/dgx-sparkctl/bin/python")


def interpreter(version: str) -> str | None:
    """Python of that version on this computer, wherever uv looks for it."""
    done = _uv("python", "find", "--system", version)
    return done.stdout.strip() if done.returncode == 0 else None


def outside() -> dict[str, str]:
    """An environment that does not lead into the checkout."""
    return {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}


def _uv(*args: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [find_uv_bin(), *args],
        env=outside() | {"UV_NO_CONFIG": "1", "UV_PYTHON_DOWNLOADS": "never", **_index(), **env},
        cwd="/",  # no project's
        capture_output=True,
        text=True,
        check=False,
    )


def _index() -> dict[str, str]:
    """uv does not read pip's settings, so it is told the package index that they name."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found: dict[str, str] = {}
    for line in told.splitlines():  # those of the environment, which win, are the last
        name, _, value = line.partition("=")
        if (variable := _OF_PIP.get(name.rpartition(".")[2])) is not None:
            found[variable] = value.strip("'\"")
    return found
