"""`sparkctl` as a person runs it: a process of its own, its streams, its exit code."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

DEADLINE = 600  # seconds; nothing here may hang


@dataclass(frozen=True)
class Ran:
    """What came of one command."""

    code: int
    stdout: str
    stderr: str

    def json(self) -> Any:
        """Standard output as JSON."""
        return json.loads(self.stdout)


@dataclass(frozen=True)
class Sparkctl:
    """Runs `sparkctl -f FILE …` without a terminal, in the folder of the file."""

    file: Path
    env: dict[str, str] = field(default_factory=dict)
    program: tuple[str, ...] = (sys.executable, "-m", "orchestrator")

    def __call__(self, *args: str, expect: int = 0, file: Path | None = None) -> Ran:
        """Run it, and fail with everything it said when the exit code is not `expect`."""
        done = subprocess.run(
            self.command(*args, file=file),
            cwd=self.file.parent,
            env=os.environ | self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
        )
        ran = Ran(done.returncode, done.stdout, done.stderr)
        assert ran.code == expect, f"{args} -> {ran.code}\n{ran.stdout}\n{ran.stderr}"
        assert "Traceback" not in ran.stderr
        return ran

    def command(self, *args: str, file: Path | None = None) -> list[str]:
        """What is started, for a test that talks to it while it runs."""
        return [*self.program, "-f", str(file or self.file), *args]
