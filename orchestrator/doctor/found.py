"""Where checks are found: every module of this folder is looked through."""

import importlib
import pkgutil
from functools import cache
from typing import Any

import orchestrator.doctor
from orchestrator.doctor.check import Check, Command


@cache
def every_check() -> tuple[Check[Any], ...]:
    """All of them: by order, then by file, then as they stand in the file."""
    names = sorted(module.name for module in pkgutil.iter_modules(orchestrator.doctor.__path__))
    modules = [importlib.import_module(f"{orchestrator.doctor.__name__}.{n}") for n in names]
    found = [one for module in modules for one in vars(module).values() if isinstance(one, Check)]
    return tuple(sorted(found, key=lambda check: check.order))


def checks_before(command: Command) -> list[Check[Any]]:
    """The checks that run before this command, in order."""
    return [check for check in every_check() if command in check.before]
