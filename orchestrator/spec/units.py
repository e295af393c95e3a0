"""Sizes as people write them in a file: `16GiB`, `512 MiB`, or plain bytes."""

import re
from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

_UNITS = {
    "": 1,
    "b": 1,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "tb": 10**12,
    "kib": 2**10,
    "mib": 2**20,
    "gib": 2**30,
    "tib": 2**40,
}


def parse_bytes(value: object) -> object:
    """Bytes from `16GiB`; anything that is not text is left for pydantic to judge."""
    if not isinstance(value, str):
        return value
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*", value)
    if match is None or match[2].lower() not in _UNITS:
        raise ValueError(f"{value!r} is not a size; write for example 16GiB, 512MiB or 1048576")
    return int(Decimal(match[1]) * _UNITS[match[2].lower()])


def _with_its_unit(size: int) -> int:
    if size < 2**20:
        raise ValueError(f"{size} bytes are less than 1 MiB; write the unit, such as 16GiB")
    return size


Bytes = Annotated[int, BeforeValidator(parse_bytes), Field(gt=0, lt=2**63)]
SharedMemory = Annotated[Bytes, AfterValidator(_with_its_unit)]
"""Who writes 16 means GiB, and a rank would fail with 16 bytes of it."""
