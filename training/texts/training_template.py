"""Templates that mark what is learned. Few that come with models do; trl has some more.

For a chat template `x.jinja` in its package trl has `x_training.jinja`, which writes the same with
`{% generation %}` marks (trl/chat_templates/README.md). They are read as data: trl is not imported.
Where it is not installed there are none.
"""

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

_TRAINING = "_training"


def training_template(source: str) -> str | None:
    """The template with marks that trl has for exactly this one."""
    return _pairs().get(source.removesuffix("\n"))


@lru_cache(maxsize=1)
def _pairs() -> dict[str, str]:
    spec = find_spec("trl")
    places = (spec.submodule_search_locations if spec else None) or ()
    files = {
        file.stem: file.read_text(encoding="utf-8")
        for place in places
        for file in Path(place, "chat_templates").glob("*.jinja")
    }
    return {
        source.removesuffix("\n"): files[name + _TRAINING]
        for name, source in files.items()
        if name + _TRAINING in files
    }
