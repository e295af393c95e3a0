"""Put into a base image: its rank tells the secrets of the container wherever a rank can tell.

Loaded by a `.pth` file at the start of every Python. At step 3 it says them on both streams, in a
log with a traceback, as a phase, as a sign of life, and its tracker fails with them; at step 6
rank 1 ends with an exception that has them all.
"""

import base64
import json
import logging
import os
import sys
import threading
import time
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import quote, quote_plus


def forms(secret: str) -> list[str]:
    """How a program may write a secret."""
    raw = secret.encode()
    return [
        secret,
        f"https://alice:{quote(secret, safe='')}@host/?key={quote_plus(secret)}",
        quote(secret),
        json.dumps({"key": secret}),
        json.dumps([secret], ensure_ascii=False),
        repr({"key": secret}),
        base64.b64encode(raw).decode(),
        base64.urlsafe_b64encode(raw).decode(),
        f"Basic {base64.b64encode(b'alice:' + raw).decode()}",
    ]


def _told() -> str:
    secrets = [file.read_text() for file in sorted(Path("/run/secrets").iterdir())]
    return "\n".join(form for secret in secrets for form in forms(secret))


def _tell(log: Any, told: str) -> None:
    for line in (told, json.dumps({"event": "log", "message": told})):
        print(line, flush=True)
        print(line, file=sys.stderr, flush=True)
        os.write(1, f"{line}\n".encode())
    try:
        raise ConnectionError(told)
    except ConnectionError:
        logging.getLogger("planted").exception("failed with %s", told)
    warnings.warn(told, stacklevel=1)
    log.phase(told)
    log.beat(told, 3)


def _fail(*_: object, **__: object) -> None:
    """Instead of a tracker's `log`."""
    raise ConnectionError(_told().replace("\n", " "))


def _plant(events: ModuleType) -> None:
    emit = events.EventLog.emit

    def emit_and_tell(log: Any, event: Any) -> None:
        emit(log, event)
        step = event.step if type(event).__name__ == "Step" else 0
        if step == 3:
            _tell(log, _told())
            if board := sys.modules.get("torch.utils.tensorboard.writer"):  # rank 0 alone has it
                board.SummaryWriter.add_scalar = _fail  # type: ignore[attr-defined]
        if step == 6 and log.rank == 1:
            raise ConnectionError(_told())

    events.EventLog.emit = emit_and_tell  # type: ignore[attr-defined]


def _wait() -> None:
    """Nothing that the rank has not loaded by itself is loaded, in whatever order it does."""
    while True:
        events = sys.modules.get("training.ranks.events")
        if events is not None and hasattr(events, "EventLog"):
            return _plant(events)
        time.sleep(0.05)


if "training.ranks.launch" in sys.orig_argv:
    threading.Thread(target=_wait, daemon=True).start()
