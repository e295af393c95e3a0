"""The output format of scripts on machines: `name<TAB>base64` lines, so that no value is structure.

In the script `… | fact NAME` prints the line of this name (templates/fact.sh).
"""

import base64
import binascii
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from orchestrator.errors import RemoteError


@contextmanager
def parsing(node: str, place: str) -> Iterator[None]:
    """RemoteError for what code in `place`, a file or folder, cannot make of the output."""
    try:
        yield
    except (KeyError, ValueError, IndexError, TypeError, AttributeError, RecursionError) as error:
        # Its output is in no message: files with secrets are among it, and messages are posted.
        lines = [
            f"{Path(frame.filename).name} line {frame.lineno}: {frame.line}"
            for frame in traceback.extract_tb(error.__traceback__)
            if Path(frame.filename).is_relative_to(place)
        ]
        missing = f": {error}" if isinstance(error, KeyError) else ""
        raise RemoteError(
            f"the output of {node} cannot be parsed",
            details="\n".join([*lines, f"{type(error).__name__}{missing}"]),
            resolution="Please report this together with the lines above.",
            node=node,
        ) from None


def entries(output: str) -> Iterator[tuple[str, bytes | None]]:
    """Name and value of every line that has both; None for a value that is not base64."""
    for line in output.splitlines():
        name, tab, value = line.partition("\t")
        if tab:
            try:
                yield name, base64.b64decode(value, validate=True)
            except (binascii.Error, ValueError):
                yield name, None


def decode(output: str) -> dict[str, bytes]:
    """The values by name. Raises ValueError for what is not base64."""
    raw: dict[str, bytes] = {}
    for name, value in entries(output):
        if value is None:
            raise ValueError(f"{name}: not base64")
        raw[name] = value
    return raw


def encode(raw: Mapping[str, str | bytes]) -> str:
    """What a script prints for these values; the inverse of `decode`."""
    return "".join(f"{name}\t{_base64(value)}\n" for name, value in raw.items())


def _base64(value: str | bytes) -> str:
    return base64.b64encode(value.encode() if isinstance(value, str) else value).decode()
