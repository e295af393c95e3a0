"""The shell of a subject: a file of `templates/facts`, after the variables that it reads."""

import shlex

from orchestrator import assets


def shell(file: str, **values: str | int) -> str:
    """POSIX shell, with each value quoted. Nothing is rendered: that would take a template engine,
    which takes longer to import than a machine to answer."""
    given = "".join(f"{name}={shlex.quote(str(value))}\n" for name, value in values.items())
    return given + assets.text(f"templates/facts/{file}")
