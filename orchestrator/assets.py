"""Where the data folders are: beside the package in a checkout, inside it in a wheel."""

import re
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

_CHECKOUT = Path(__file__).parent.parent
_READABLE = re.compile(r"(?<![\w/.])(?:docs|examples)/(?:[\w-]+/)*[\w-]+\.(?:md|json|yaml)\b")


def folder(name: str) -> Traversable:
    """`templates`, `stacks`, `entrypoints`, `docs` or `examples`; or the package `training`."""
    if name == "training":
        return files("training")
    packaged = files("orchestrator") / "_assets" / name
    if packaged.is_dir():
        return packaged
    return _CHECKOUT / name


def text(path: str) -> str:
    """The text of one asset, named from its folder: `templates/runs.sh.j2`."""
    name, _, rest = path.partition("/")
    return folder(name).joinpath(rest).read_text(encoding="utf-8")


def located(hint: str) -> str:
    """A hint in which `docs/…` and `examples/…` are where these files are on this computer.

    Relative as they are where they lie below the working folder, as in a checkout.
    """
    return _READABLE.sub(lambda found: _place(found[0]), hint)


def _place(path: str) -> str:
    name, _, rest = path.partition("/")
    place = folder(name).joinpath(rest)
    if not place.is_file() or Path(path).resolve() == Path(str(place)).resolve():
        return path
    return str(place)
