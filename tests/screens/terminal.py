"""A real terminal: bash in tmux, of a width; what is typed, and what stands there afterwards."""

import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import LabError
from orchestrator.lab.wait import until
from tests.screens.scenario import Screen

_WRAPPER = """\
#!{python}
import sys
sys.argv[0] = "sparkctl"
from orchestrator.cli.main import main
main()
"""
_ROWS = 24
_LINES_KEPT = 100_000


class NoTmuxError(RuntimeError):
    """tmux is not installed."""


@dataclass(frozen=True)
class Terminal:
    """One that waits for a command."""

    socket: str
    """Of a tmux server of its own."""

    def show(self, screen: Screen, command: str) -> str:
        """Type the command, do what the screen says, and return all that is there at its end."""
        self._tmux("clear-history", "-t", "main")
        self._tmux("send-keys", "-t", "main", "-l", f"sparkctl {command}")
        self._tmux("send-keys", "-t", "main", "Enter")
        seconds = 60 * screen.minutes
        for text, answer in screen.answers:
            if self._comes(text, seconds):
                self._tmux("send-keys", "-t", "main", "-l", answer)
                self._tmux("send-keys", "-t", "main", "Enter")
        if screen.ctrl_c_at and self._comes(screen.ctrl_c_at, seconds):
            self._tmux("send-keys", "-t", "main", "C-c")
        self._wait_for_the_prompt(seconds)
        text = self.text
        self._tmux("send-keys", "-t", "main", "-R", "clear", "Enter")
        self._wait_for_the_prompt(60)
        # bash tells of a prompt just before it draws it: what was typed may stand before it, too.
        return text[max(text.find("$ sparkctl"), 0) :]

    @property
    def text(self) -> str:
        """All lines, those that were scrolled away too, as wide as they are there."""
        return self._tmux("capture-pane", "-p", "-t", "main", "-S", "-")

    def _comes(self, text: str, seconds: float) -> bool:
        """Whether it is shown before the command ends; its own command line does not count."""
        shown = ""

        def is_there() -> bool:
            nonlocal shown
            shown = self.text.partition("\n")[2].rstrip()
            return text in shown or shown.endswith("\n$")

        try:
            until(is_there, what=f"{text!r} on the screen", deadline_seconds=seconds)
        except LabError as error:
            raise LabError(f"{error.brief}; there is:\n{self.text}") from None
        return text in shown

    def _wait_for_the_prompt(self, seconds: float) -> None:
        self._tmux("wait-for", "prompt", seconds=seconds)

    def _tmux(self, *args: str, seconds: float = 30) -> str:
        done = subprocess.run(
            ["tmux", "-L", self.socket, *args], capture_output=True, text=True, check=True,
            timeout=seconds,
        )  # fmt: skip
        return done.stdout


@contextmanager
def terminal(
    columns: int, folder: Path, python: str, root: Path, file: Path | None = None
) -> Iterator[Terminal]:
    """`sparkctl` on its PATH is the code in `root`; it starts in `folder`, which is its home too.

    `file`: the cluster file, if it is not the one in that folder.

    Raises NoTmuxError.
    """
    if shutil.which("tmux") is None:
        raise NoTmuxError("tmux is missing: apt-get install tmux, or brew install tmux")
    socket = f"sparkctl-screens-{secrets.token_hex(4)}"
    bin_folder = folder / ".bin"
    bin_folder.mkdir(exist_ok=True)
    (bin_folder / "sparkctl").write_text(_WRAPPER.format(python=python))
    (bin_folder / "sparkctl").chmod(0o755)
    # bash tells tmux of every prompt, so nobody has to guess when a command is over.
    settings = f"PS1='$ '\nPROMPT_COMMAND='tmux -L {socket} wait-for -S prompt'\n"
    (folder / ".screensrc").write_text(settings)
    (folder / ".tmux.conf").write_text(f"set -g history-limit {_LINES_KEPT}\n")
    environ = {
        "PATH": f"{bin_folder}:{os.environ['PATH']}", "PYTHONPATH": str(root), "HOME": str(folder),
        "LANG": "C.UTF-8", "TZ": "UTC", "TERM": "screen-256color", "HF_TOKEN": "not-a-token",
    }  # fmt: skip
    if file is not None:
        environ["SPARKCTL_FILE"] = str(file.resolve())
    here = Terminal(socket)
    try:
        subprocess.run(
            ["tmux", "-L", socket, "-f", ".tmux.conf", "new-session", "-d", "-s", "main",
             "-x", str(columns), "-y", str(_ROWS), "-c", str(folder),
             "bash", "--noprofile", "--rcfile", ".screensrc", "-i"],
            env=environ, cwd=folder, check=True, timeout=30,
        )  # fmt: skip
        here._wait_for_the_prompt(60)
        yield here
    finally:
        subprocess.run(["tmux", "-L", socket, "kill-server"], check=False, capture_output=True)
