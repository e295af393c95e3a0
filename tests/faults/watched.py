"""`sparkctl` that stops at one point until it is told to go on, or that notes all points.

    python -m tests.faults.watched note FILE -- -f cluster.yaml cluster up --yes
    python -m tests.faults.watched stop POINT TOLD GO -- -f cluster.yaml cluster up --yes

FILE gets one JSON object a line. POINT is a JSON object; the file descriptor TOLD gets a line when
it is reached, and a line from GO lets the command go on.
"""

import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from orchestrator.cli.main import main
from orchestrator.node import ssh
from orchestrator.reconcile.events import Event, Listener
from orchestrator.ui import plan_view
from tests.faults.point import Point, Seen
from tests.faults.watch import Watch, WatchedConnection


def _noting(file: Path) -> Watch:
    def note(seen: Seen) -> None:
        with file.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(asdict(seen)) + "\n")

    return Watch(None, lambda: None, note)


def _stopping(point: str, told: int, go: int) -> Watch:
    def stop() -> None:
        os.write(told, b"\n")
        os.read(go, 1)

    return Watch(Point(**json.loads(point)), stop, lambda seen: None)


def _listening(watch: Watch, listener_of: Callable[..., Listener]) -> Callable[..., Listener]:
    def made(*args: Any) -> Listener:
        inner = listener_of(*args)

        def listen(event: Event) -> None:
            inner(event)
            watch.event(event)

        return listen

    return made


def _connecting(watch: Watch, connection_of: Callable[..., Any]) -> Callable[..., Any]:
    def made(login: Any, *args: Any) -> WatchedConnection:
        return WatchedConnection(connection_of(login, *args), login.node, watch)

    return made


def _run(options: list[str], command: list[str]) -> None:
    match options:
        case ["note", file]:
            watch = _noting(Path(file))
        case ["stop", point, told, go]:
            watch = _stopping(point, int(told), int(go))
        case _:
            sys.exit(__doc__)
    plan_view.progress_lines = _listening(watch, plan_view.progress_lines)
    ssh.SshConnection = _connecting(watch, ssh.SshConnection)  # type: ignore[misc,assignment]
    sys.argv = ["sparkctl", *command]
    main()


if __name__ == "__main__":
    cut = sys.argv.index("--")
    _run(sys.argv[1:cut], sys.argv[cut + 1 :])
