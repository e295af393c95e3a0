"""Where the data folders are: beside the package in a checkout, inside it in a wheel."""

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path


def folder(name: str) -> Traversable:
    """The folder `templates`, `stacks` or `entrypoints`; `training` is an ordinary package."""
    if name == "training":
        return files("training")
    packaged = files("orchestrator") / "_assets" / name
    if packaged.is_dir():
        return packaged
    return Path(__file__).parent.parent / name


def text(path: str) -> str:
    """The text of one asset, named from its folder: `templates/runs.sh.j2`."""
    name, _, rest = path.partition("/")
    return folder(name).joinpath(rest).read_text(encoding="utf-8")
