"""pydantic's faults in a person's words. Of values only names are repeated: others may be secrets.

What stands where a secret's name belongs may well be the secret.
"""

import re
from collections.abc import Mapping
from typing import Any

from orchestrator.spec import patterns
from orchestrator.spec.patterns import NAME, SECRET, STACK_NAME, as_name
from training.contract import names
from training.contract.sentences import sentence as plain

WORDS = patterns.WORDS | names.WORDS
"""What each pattern of the declarative API asks for."""

_OTHER_KINDS = {"dora": "; DoRA is `lora` with `dora: true`"}
"""Kinds of a section that other tools have."""


def sentence(fault: Mapping[str, Any]) -> str:
    """What is wrong with one value; others report where it is."""
    said = plain(fault, WORDS)
    if fault["type"] == "union_tag_invalid":
        return said + _OTHER_KINDS.get(str(fault["ctx"]["tag"]).lower(), "")
    pattern = fault.get("ctx", {}).get("pattern")
    if pattern not in patterns.WORDS or pattern == SECRET:
        return said
    return _of_a_name(str(fault["input"]), pattern, fault["loc"], said)


def _of_a_name(given: str, pattern: str, location: tuple[str | int, ...], said: str) -> str:
    said = said.replace("what stands there", repr(given), 1)
    near = as_name(given)
    if pattern not in (NAME, STACK_NAME) or not re.search(pattern, near):
        return said
    is_host = "nodes" in location and re.fullmatch(r"[\w.-]+", given)
    ssh = f", and `ssh: {given}` if it is reached under that name" if is_host else ""
    return f"{said}; write {near!r}{ssh}"
