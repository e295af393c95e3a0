"""A `sparkctl` that waits at a point, so that something can happen to it there."""

import json
import os
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.faults.point import Point, Seen

REACH_SECONDS = 60.0
"""Seconds until the point must be reached."""

END_SECONDS = 120.0
"""Seconds that a struck controller may take to end; longer is a hang."""

_WATCHED = [sys.executable, "-m", "tests.faults.watched"]


@dataclass
class Controller:
    """One that stands at its point."""

    process: subprocess.Popen[str]
    go: int

    def kill(self) -> int:
        """As a laptop whose battery is empty."""
        self.process.kill()
        return self.process.wait()

    def go_on(self) -> tuple[int, str]:
        """Exit code, and all that was said. Raises TimeoutExpired when it hangs."""
        os.write(self.go, b"\n")
        output, _ = self.process.communicate(timeout=END_SECONDS)
        return self.process.returncode, output


@contextmanager
def stopped(file: Path, command: str, point: Point) -> Iterator[Controller]:
    """`sparkctl cluster COMMAND` at its point. Raises AssertionError when it never comes there."""
    told, tell = os.pipe()
    heard, go = os.pipe()
    at = json.dumps(asdict(point))
    process = subprocess.Popen(
        [*_WATCHED, "stop", at, str(tell), str(heard), *_of(file, command)],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        pass_fds=(tell, heard),
    )  # fmt: skip
    os.close(tell)
    os.close(heard)
    try:
        ready, _, _ = select.select([told], [], [], REACH_SECONDS)
        if not ready or not os.read(told, 1):  # the end of the file: it ended on another way
            process.kill()
            raise AssertionError(f"`{command}` never came to {point}:\n{process.communicate()[0]}")
        yield Controller(process, go)
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
        os.close(told)
        os.close(go)


def seen(file: Path, command: str, notes: Path) -> list[Seen]:
    """Run the command to its end; all points that it came by, in order."""
    done = subprocess.run(
        [*_WATCHED, "note", str(notes), *_of(file, command)],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        timeout=END_SECONDS,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    return [Seen(**json.loads(line)) for line in notes.read_text(encoding="utf-8").splitlines()]


def _of(file: Path, command: str) -> list[str]:
    return ["--", "-f", str(file), "cluster", command, "--yes"]
