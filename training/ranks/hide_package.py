"""Keep away what libraries import and this run does not need."""

import sys
from types import ModuleType


def hide_package(package: str) -> None:
    """Make imports of it fail from now on, as if it were not installed.

    None in `sys.modules` is Python's own way to say so ("The import system", 5.3.1);
    `importlib.util.find_spec`, by which libraries look, finds nothing then.
    """
    sys.modules[package] = None  # type: ignore[assignment]


def stand_in(module: str, **names: object) -> None:
    """Give imports of a module these names, and do not import it.

    For a library that needs a trifle of a module which imports half a second's worth of others.
    """
    instead = ModuleType(module)
    vars(instead).update(names)
    sys.modules[module] = instead
