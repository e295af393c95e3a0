"""A DGX Spark as it comes out of its box, and what the probe would print of it."""

import dataclasses
from typing import Any

from orchestrator.facts.added import added
from orchestrator.facts.machine import SECTIONS, Facts
from orchestrator.facts.protocol import encode

_GROUPS = tuple(group for section in SECTIONS for group in section)


def stock_spark(name: str = "spark-a", number: int = 1, **overrides: Any) -> Facts:
    """Facts of machine `number` (its last address byte); keyword arguments replace fields."""
    fields = {key: value for group in _GROUPS for key, value in vars(group.stock(number)).items()}
    more = {fact.name: fact.stock for fact in added()}
    return dataclasses.replace(Facts(node=name, more=more, **fields), **overrides)


def probe_output(facts: Facts) -> bytes:
    """What the probe would have printed for these facts; the inverse of `parse_facts`."""
    raw: dict[str, str | bytes] = {}
    for group in _GROUPS:
        raw |= group.printed(facts)
    for fact in added():
        raw[fact.wire] = fact.printed(fact.of(facts))
    return encode(raw)
