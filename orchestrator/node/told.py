"""What a script on a machine has printed: `name<TAB>base64` lines, understood or an error."""

import base64
import binascii
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from orchestrator.errors import RemoteError


@contextmanager
def understood(node: str, file: str) -> Iterator[None]:
    """RemoteError for what in `file` (`__file__` of who reads it) cannot be made of the output."""
    try:
        yield
    except (KeyError, ValueError, IndexError, TypeError, AttributeError, RecursionError) as error:
        # What it said is in no message: files with secrets are among it, and messages are posted.
        frames = traceback.extract_tb(error.__traceback__)
        lines = [f"line {frame.lineno}: {frame.line}" for frame in frames if frame.filename == file]
        missing = f": {error}" if isinstance(error, KeyError) else ""
        raise RemoteError(
            f"what {node} says of itself cannot be understood",
            details="\n".join([*lines, f"{type(error).__name__}{missing}"]),
            resolution="Please report this together with the lines above.",
            node=node,
        ) from None


def decode(output: str) -> dict[str, bytes]:
    """The values by name. Raises ValueError for what is not base64."""
    raw: dict[str, bytes] = {}
    for line in output.splitlines():
        name, tab, value = line.partition("\t")
        if tab:
            try:
                raw[name] = base64.b64decode(value, validate=True)
            except binascii.Error:
                raise ValueError(f"{name}: not base64") from None
    return raw
