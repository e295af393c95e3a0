"""What OpenSSH itself reports for a host: `ssh -G`."""

import re
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path

from orchestrator.node import process_group
from orchestrator.node.ssh_config.host import Settings
from orchestrator.node.ssh_config.words import Unreadable

_DEADLINE = 20.0  # seconds; it may look names up, and run the commands of `Match exec`
_LISTS = ("userknownhostsfile", "globalknownhostsfile")
_NOISE = ("Pseudo-terminal will not be allocated",)


@dataclass(frozen=True)
class OpenSsh:
    """The program on this computer."""

    program: str
    file: Path | None = None
    """Read instead of the usual files, as with `-F`."""

    def settings(self, host: str, user: str | None, port: int | None) -> Settings:
        """Unreadable: in ssh's own words, with file and line."""
        command = [self.program, "-T", "-G"]
        command += ["-F", str(self.file)] if self.file else []
        command += ["-l", user] if user else []
        command += ["-p", str(port)] if port else []
        output = _run([*command, "--", host])
        settings: dict[str, tuple[str, ...]] = {}
        for line in output.split("\n"):
            keyword, _, value = line.partition(" ")
            values = _files(value) if keyword in _LISTS else (value,)
            settings[keyword] = (*settings.get(keyword, ()), *values)
        if not settings.keys() >= {"hostname", "port", "user"}:
            raise Unreadable(
                f"`{shlex.join(command)}` does not report where {host} is: {output[:200]}"
            )
        return settings


def _run(command: list[str]) -> str:
    pipe = subprocess.PIPE
    # A group of its own: what `Match exec` starts is ended with it.
    process = process_group.start(
        f"exec {shlex.join(command)}", stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe
    )
    with process:
        try:
            output, complaints = process.communicate(timeout=_DEADLINE)
        except subprocess.TimeoutExpired:
            raise Unreadable(
                f"`{shlex.join(command)}` takes more than {_DEADLINE:g} s; look at its `Match exec`"
            ) from None
        finally:
            process_group.end(process)
    if process.returncode != 0:
        lines = complaints.decode(errors="replace").splitlines()
        raise Unreadable(
            "\n".join(line for line in lines if not line.startswith(_NOISE))
            or f"`{shlex.join(command)}` ends with exit code {process.returncode}"
        )
    return output.decode("utf-8", "surrogateescape")


def _files(value: str) -> tuple[str, ...]:
    """ssh prints paths side by side, also those with blanks; but most begin with a slash."""
    parts = re.split(r" (?=/)", value)
    return tuple(p for part in parts for p in ([part] if part.startswith("/") else part.split()))
