"""The registry: every class of a resource once, and each its own."""

from collections import Counter

import pytest

from orchestrator.resources.base import Resource
from orchestrator.resources.registry import REGISTRY
from orchestrator.resources.swarm import SwarmManager, SwarmMember


def test_classes_that_are_whole_are_in_it_once() -> None:
    assert SwarmManager in REGISTRY
    assert {SwarmMember, Resource}.isdisjoint(REGISTRY)
    assert max(Counter(REGISTRY).values()) == 1


def test_names_are_given_once_because_records_say_them() -> None:
    names = [one.__name__ for one in REGISTRY]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("one", REGISTRY, ids=lambda one: one.kind)
def test_each_says_what_it_is_and_when(one: type[Resource]) -> None:
    assert one.kind
    assert (one.__doc__ or "").strip() and not (one.__doc__ or "").startswith(f"{one.__name__}(")
