"""What is told to others when a run has ended: commands and webhooks (`gang.hooks` of a stack).

Told once, by one supervisor, after the verdict is on disk. Nothing that goes wrong here changes
the verdict; it is a line in the rank's log.
"""

import json
import subprocess
import urllib.request
from collections.abc import Callable, Mapping
from http.client import HTTPException
from pathlib import Path
from urllib.parse import urlsplit

from training.contract.verdict import Verdict
from training.gang.config import Hook

DEADLINE = 20.0
"""Seconds for each: a container that Swarm takes away has not much longer."""


def fire(
    hooks: tuple[Hook, ...],
    verdict: Verdict,
    environ: Mapping[str, str],
    secrets: Path,
    say: Callable[[str], object],
) -> None:
    """Tell everyone who wants to know of this verdict; `say` is told what came of it."""
    body = json.dumps(message(verdict), ensure_ascii=False)
    for hook in (hook for hook in hooks if verdict.state in hook.on):
        if hook.command:
            said = _run(hook.command, body, environ)
        elif hook.url:
            said = _post(hook.url, body)
        else:
            said = _post_to_secret(secrets / str(hook.url_secret), body)
        for line in said.splitlines():
            say(f"hook: {line}")


def message(verdict: Verdict) -> dict[str, object]:
    """The verdict's fields, and one line for people where chat programs look for it."""
    line = f"{verdict.run} {verdict.state} at step {verdict.step}"
    if verdict.message:
        line += f": rank {verdict.rank} on {verdict.node}: {verdict.message}"
    return verdict.model_dump() | {"text": line, "content": line}


def teller(verdict: Verdict) -> int:
    """The rank that tells: rank 0, who knows most, unless it is the one that never came."""
    return 1 if verdict.code == "rank_missing" and verdict.rank == 0 else 0


def _run(command: tuple[str, ...], body: str, environ: Mapping[str, str]) -> str:
    try:
        done = subprocess.run(
            command, input=body, env=dict(environ), text=True, errors="replace",
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=DEADLINE, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return f"{command[0]} did not end within {DEADLINE:.0f} s"
    except OSError as refused:
        return f"{command[0]}: {refused.strerror}"
    return f"{done.stdout}{command[0]} ended with exit code {done.returncode}"


def _post_to_secret(file: Path, body: str) -> str:
    try:
        return _post(file.read_text("utf-8").strip(), body)
    except OSError as missing:
        return f"secret {file.name}: {missing.strerror}"


def _post(url: str, body: str) -> str:
    """Only the host is told: the path of such an address is often all that protects it."""
    host = urlsplit(url).hostname
    try:
        request = urllib.request.Request(
            url, body.encode(), {"Content-Type": "application/json"}, method="POST"
        )
        with urllib.request.urlopen(request, timeout=DEADLINE) as answer:
            return f"{host} answers {answer.status}"
    except (OSError, HTTPException, ValueError) as refused:
        return f"{host} was not told: {getattr(refused, 'reason', None) or type(refused).__name__}"
