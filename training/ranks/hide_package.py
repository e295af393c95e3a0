"""Hide packages that this run does not need from libraries that import what they find."""

import sys


def hide_package(package: str) -> None:
    """Make imports of it fail from now on, as if it were not installed.

    None in `sys.modules` is Python's own way to say so ("The import system", 5.3.1);
    `importlib.util.find_spec`, by which libraries look, finds nothing then.
    """
    sys.modules[package] = None  # type: ignore[assignment]
