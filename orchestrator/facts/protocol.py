"""The output format of scripts on machines: values between marks, so that no value is structure.

In the script `fact NAME` stands before what prints the value of this name (templates/fact.sh). The
first line is the mark, a UUID that the machine has drawn for this one script.
"""

import re
import traceback
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from orchestrator.errors import RemoteError

_MARK = re.compile(rb"[0-9a-f-]{36}")


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


def decode(output: bytes) -> dict[str, bytes]:
    """The values by name; of one that came twice, the last. Nothing was printed: none.

    Raises ValueError for other output.
    """
    if not output:
        return {}
    mark, *printed = output.split(b"\n", 1)
    if not _MARK.fullmatch(mark):
        raise ValueError("the output does not begin with a mark")
    values = dict[str, bytes]()
    for one in b"\n".join([b"", *printed]).split(b"\n%s " % mark)[1:]:
        name, end, value = one.partition(b" %s\n" % mark)
        if not end:
            raise ValueError("a name does not end")
        values[name.decode("utf-8", "replace")] = value
    return values


def encode(raw: Mapping[str, str | bytes]) -> bytes:
    """What a script prints for these values; the inverse of `decode`."""
    mark = str(uuid.UUID(int=0))
    values = [
        f"{mark} {name} {mark}\n".encode() + (v.encode() if isinstance(v, str) else v)
        for name, v in raw.items()
    ]
    return b"\n".join([mark.encode(), *values])
