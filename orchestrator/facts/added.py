"""Where facts that stand by themselves are found: every module of this folder is looked through."""

import importlib
import pkgutil
from functools import cache
from typing import Any

import orchestrator.facts
from orchestrator.facts.fact import Fact


@cache
def added() -> tuple[Fact[Any], ...]:
    """All, by file and in the order of the file. Raises ValueError for one name twice."""
    found: dict[str, Fact[Any]] = {}
    names = sorted(module.name for module in pkgutil.iter_modules(orchestrator.facts.__path__))
    for name in names:
        module = importlib.import_module(f"{orchestrator.facts.__name__}.{name}")
        for fact in (one for one in vars(module).values() if isinstance(one, Fact)):
            if found.setdefault(fact.name, fact) is not fact:
                raise ValueError(f"two facts are called {fact.name}")
    return tuple(found.values())
