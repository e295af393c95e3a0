"""Lets a script's threads come to rest before Python ends.

A thread of C++ that wants Python while it ends is ended by force, and the whole process with it:
"terminate called without an active exception", SIGABRT. gloo's threads want it for a moment after
each collective, to free what it used. They live on after `destroy_process_group()` while a model or
an optimizer holds the group.
"""

import os
import time
from contextlib import suppress
from pathlib import Path

_SECONDS = 2.0
"""At most: a thread that is at work for itself may never rest."""
_LOOK = 0.01
"""Seconds between two looks; a thread that waits for Python gets it then, and is seen at work."""


def rest() -> None:
    """Wait until all threads but this one sleep, seen twice. For `atexit`, as the last to run."""
    deadline, calm = time.monotonic() + _SECONDS, 0
    while calm < 2 and time.monotonic() < deadline:
        time.sleep(_LOOK)
        calm = 0 if _at_work() else calm + 1


def _at_work() -> bool:
    for thread in Path("/proc/self/task").iterdir():
        with suppress(OSError):  # it has just ended
            state = (thread / "stat").read_text(errors="replace").rpartition(") ")[2][:1]
            if state != "S" and int(thread.name) != os.getpid():
                return True
    return False
