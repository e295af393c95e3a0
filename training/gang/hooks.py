"""Notifications when a run has ended: commands and webhooks (`gang.hooks` of a stack).

Sent at most once, by one supervisor, after the verdict is on disk. A failed hook is a line in the
rank's log and never changes the verdict.
"""

import json
import os
import signal
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from urllib.parse import urlsplit

from training.contract.verdict import Verdict
from training.gang.config import Hook

DEADLINE = 20.0
"""Seconds for all of them, side by side: a container that Swarm takes away has not much longer."""
_LINES = 100
"""Of a command's output, from its end."""


def run_hooks(
    hooks: tuple[Hook, ...],
    verdict: Verdict,
    environ: Mapping[str, str],
    secrets: Path,
    log_line: Callable[[str], object],
) -> None:
    """Run the hooks of this verdict's state; their outcomes go to `log_line`, in order."""
    body = json.dumps(message(verdict), ensure_ascii=False)
    wanted = [hook for hook in hooks if verdict.state in hook.on]
    outcomes: dict[int, str] = {}

    def call(number: int, hook: Hook) -> None:
        if hook.command:
            outcomes[number] = _run(hook.command, body, environ)
        elif hook.url:
            outcomes[number] = _post(hook.url, body)
        else:
            outcomes[number] = _post_to_secret(secrets / str(hook.url_secret), body)

    # Daemons: one that keeps an address open byte by byte must not keep the container.
    threads = [
        threading.Thread(target=call, args=numbered, daemon=True) for numbered in enumerate(wanted)
    ]
    end = time.monotonic() + DEADLINE
    for thread in threads:
        thread.start()
    for number, thread in enumerate(threads):
        thread.join(max(0.0, end - time.monotonic()) + 1)
        late = f"{_name(wanted[number])} did not end within {DEADLINE:.0f} s"
        for line in outcomes.get(number, late).splitlines()[-_LINES:]:
            log_line(f"hook: {line}")


def message(verdict: Verdict) -> dict[str, object]:
    """The verdict's fields, and one line for people where chat programs look for it."""
    line = f"{verdict.run} {verdict.state} at step {verdict.step}"
    if verdict.message:
        line += f": rank {verdict.rank} on {verdict.node}: {verdict.message}"
    return verdict.model_dump() | {"text": line, "content": line}


def reporter(verdict: Verdict) -> int:
    """The rank whose supervisor runs the hooks: rank 0, unless it is the one that never came."""
    return 1 if verdict.code == "rank_missing" and verdict.rank == 0 else 0


def _name(hook: Hook) -> str:
    """Without the path of an address: it is often all that protects it."""
    if hook.command:
        return hook.command[0]
    return str(urlsplit(hook.url).hostname) if hook.url else f"secret {hook.url_secret}"


def _run(command: tuple[str, ...], body: str, environ: Mapping[str, str]) -> str:
    try:
        process = subprocess.Popen(
            command, env=dict(environ), text=True, errors="replace", start_new_session=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
    except OSError as refused:
        return f"{command[0]}: {refused.strerror}"
    with process:
        try:
            output, _ = process.communicate(body, timeout=DEADLINE)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # what it has started as well
            return f"{command[0]} did not end within {DEADLINE:.0f} s"
    return f"{output}{command[0]} ended with exit code {process.returncode}"


def _post_to_secret(file: Path, body: str) -> str:
    try:
        return _post(file.read_text("utf-8").strip(), body)
    except OSError as missing:
        return f"secret {file.name}: {missing.strerror}"


def _post(url: str, body: str) -> str:
    """Only the host is named in the outcome."""
    host = urlsplit(url).hostname
    try:
        request = urllib.request.Request(
            url, body.encode(), {"Content-Type": "application/json"}, method="POST"
        )
        with urllib.request.urlopen(request, timeout=DEADLINE) as answer:
            return f"{host} answers {answer.status}"
    except (OSError, HTTPException, ValueError) as refused:
        return (
            f"{host} was not notified: {getattr(refused, 'reason', None) or type(refused).__name__}"
        )
