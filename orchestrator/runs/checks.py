"""The names of what is looked at before a run (`preflight`), for who asks for less of it."""

from typing import Literal, get_args

Check = Literal[
    "gpu", "memory", "disk", "port", "clock", "fabric", "image", "model", "folder", "software"
]
CHECKS: tuple[Check, ...] = get_args(Check)
