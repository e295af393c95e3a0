"""The stacks that sparkctl ships, as text: their models are not needed to name or copy one."""

import difflib
from importlib.resources.abc import Traversable
from pathlib import Path

from orchestrator import assets
from orchestrator.errors import UnknownStackError


def stack_names() -> list[str]:
    """The stacks that sparkctl ships."""
    return sorted(f.name.removesuffix(".yaml") for f in _stacks() if f.name.endswith(".yaml"))


def shipped_text(name: str) -> str:
    """The file of one, with its comments. Raises UnknownStackError."""
    known = stack_names()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"Did you mean {near[0]!r}? " if near else _file_named(name)
        raise UnknownStackError(
            f"there is no stack named {name!r}",
            resolution=f"{hint}Shipped: {', '.join(known)}. A file of your own: ./my-stack.yaml",
        )
    return assets.text(f"stacks/{name}.yaml")


def _file_named(name: str) -> str:
    """A file of this name but for its ending, which tells a file from a name."""
    there = [f"{name}{end}" for end in (".yaml", ".yml") if _is_file(Path(f"{name}{end}"))]
    return f"There is a file {there[0]}: name it with its ending. " if there else ""


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that no file can have
        return False


def _stacks() -> list[Traversable]:
    return list(assets.folder("stacks").iterdir())
