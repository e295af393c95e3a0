"""All classes of resources: whatever stands in this package, found by itself.

Who adds a resource adds a file here; nothing else has to name it.
"""

import pkgutil
from collections.abc import Iterator
from importlib import import_module
from inspect import isabstract

import orchestrator.resources
from orchestrator.resources.base import Resource


def _found() -> Iterator[type[Resource]]:
    """Every class that a module of this package defines and that is whole."""
    package = orchestrator.resources
    for _, name, _ in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        if name == __name__:
            continue
        for one in vars(import_module(name)).values():
            if isinstance(one, type) and issubclass(one, Resource) and _is_of(one, name):
                yield one


def _is_of(one: type, module: str) -> bool:
    return one.__module__ == module and not isabstract(one)


REGISTRY: tuple[type[Resource], ...] = tuple(
    sorted(_found(), key=lambda one: (one.stage, one.place, one.__name__))
)
"""In the order in which they are made: by stage, place, and name."""
