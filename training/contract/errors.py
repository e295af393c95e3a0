"""Everything that can stop a rank, as one exception with a remedy.

    TrainingError               code, message, help; exit status 1: not understood, a retry may help
    +-- ConfigurationError      exit status 78: the same start will always fail, never retry
    +-- PeerError               exit status 75: another rank went away, start the whole gang again
    +-- Stopped                 exit status 143: SIGTERM; saved, the same start resumes there

75 and 78 are EX_TEMPFAIL and EX_CONFIG of sysexits.h; 143 is 128 + SIGTERM, as shells have it.
"""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path

_CONNECTION_PATTERNS = (
    "connection closed by peer",
    "connection reset by peer",
    "connection refused",
    "connection was likely closed",
    "broken pipe",
    "timed out waiting",
    "wait timeout",
    "socket timeout",
    "nccl error",
    "remote process exited",
)

DISK_FULL = "disk_full"
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FULL_PATTERNS = ("no space left on device", "disk quota exceeded")
"""Libraries in other languages keep the text alone."""

_OUT_OF_MEMORY_PATTERNS = (
    "cuda out of memory",
    "cuda error: out of memory",
    "cuda failure 2 'out of memory'",  # NCCL's own buffers
    "cublas_status_alloc_failed",
    "defaultcpuallocator: can't allocate memory",
    "not enough memory: you tried to allocate",
)
"""torch raises a kind of its own, but what lies below it, or hands it on, raises RuntimeErrors."""
LESS_MEMORY = (
    "Lower loop.per_device_batch_size, loop.tokens_per_pass or data.max_length, switch on "
    "loop.gradient_checkpointing"
)
"""What a person can do; the beginning of a sentence."""


class ExitCode(IntEnum):
    """Exit status of a rank, seen by the supervisor that decides about restarts."""

    SUCCEEDED = 0
    CRASHED = 1
    PEER_LOST = 75
    CONFIGURATION = 78
    STOPPED = 143


class TrainingError(Exception):
    """A failure that was understood: `code` for programs, `message` and `remedy` for people."""

    exit_code = ExitCode.CRASHED
    of_peer = False
    """It happened on another rank, and this one exits with it."""

    def __init__(self, code: str, message: str, remedy: str = "") -> None:
        super().__init__(code, message, remedy)  # all three: errors travel between ranks, pickled
        self.code = code
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return self.message


class ConfigurationError(TrainingError):
    """Settings, data, rights or the group are wrong; only a person can fix it."""

    exit_code = ExitCode.CONFIGURATION


class PeerError(TrainingError):
    """This rank is well, but another one is gone or silent."""

    exit_code = ExitCode.PEER_LOST


class Stopped(TrainingError):
    """A rank got SIGTERM, and all ranks saved where they were.

    Not a success, also on the ranks that got no signal: a supervisor that restarts what failed
    must restart all of them, after a reboot for example.
    """

    exit_code = ExitCode.STOPPED


def _causes(failure: BaseException | None) -> Iterator[BaseException]:
    """The failure and what it comes from: torch raises errors of its own in between."""
    while failure is not None:
        yield failure
        failure = failure.__cause__ or failure.__context__


def is_out_of_memory(failure: BaseException) -> bool:
    """Whether host or GPU had no memory left for this process, or the process none of its share."""
    for cause in _causes(failure):
        kinds = {kind.__name__ for kind in type(cause).__mro__}
        if kinds & {"OutOfMemoryError", "MemoryError"}:
            return True
        if any(pattern in str(cause).lower() for pattern in _OUT_OF_MEMORY_PATTERNS):
            return True
    return False


def is_full(failure: BaseException | None) -> bool:
    """Whether a file could not grow: the disk, a quota or a limit is at its end."""
    return any(
        (isinstance(cause, OSError) and cause.errno in _FULL)
        or any(pattern in str(cause).lower() for pattern in _FULL_PATTERNS)
        for cause in _causes(failure)
    )


def disk_full(place: Path | str) -> TrainingError:
    """The error of a full disk; `place` is the file or folder that had no room."""
    return TrainingError(
        DISK_FULL,
        f"no space is left for {place}",
        "Free space on this node: `sparkctl runs list` shows what runs take, `docker system df` "
        "the images. Then `sparkctl runs resume` resumes from the last checkpoint.",
    )


@contextmanager
def writing(place: Path) -> Iterator[None]:
    """A full disk becomes an error that names this file or folder."""
    try:
        yield
    except Exception as failure:
        if not isinstance(failure, TrainingError) and is_full(failure):
            raise disk_full(place) from failure
        raise


def first_line(failure: BaseException) -> str:
    """What an exception of somebody else's says, in one line; its kind where it says nothing."""
    lines = str(failure).strip().splitlines()
    return lines[0] if lines else type(failure).__name__


def _short(failure: BaseException) -> str:
    return f"{type(failure).__name__}: {failure}".strip().splitlines()[0]


def explain(failure: BaseException) -> TrainingError:
    """Turn any exception into the error that is reported; a `TrainingError` stays what it is.

    torch raises plain `RuntimeError`s for most lost connections (gloo), so their text is read too.
    Torch is not imported here: its exceptions are recognised by name.
    """
    if isinstance(failure, TrainingError):
        return failure
    if is_out_of_memory(failure):
        return TrainingError(
            "out_of_memory",
            _short(failure),
            f"{LESS_MEMORY}; `train --dry-run` says what would fit. Of the GPU's memory a rank "
            "takes parallel.gpu_memory_share at most.",
        )
    kinds = {kind.__name__ for kind in type(failure).__mro__}
    text = _short(failure)
    if kinds & {"DistError", "DistBackendError", "DistNetworkError", "DistStoreError"} or (
        "RuntimeError" in kinds
        and any(pattern in str(failure).lower() for pattern in _CONNECTION_PATTERNS)
    ):
        return PeerError(
            "peer_lost",
            f"the connection to another rank broke or stayed silent too long ({text})",
            "Look at the other ranks: the one that failed first says why.",
        )
    if is_full(failure):
        return disk_full(getattr(failure, "filename", None) or f"a file ({text})")
    return TrainingError("crash", text, "The traceback is on this rank's stderr.")
