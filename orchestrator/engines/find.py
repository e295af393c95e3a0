"""Engines by name: those that sparkctl ships."""

from functools import cache
from importlib.resources import files

from orchestrator.engines.engine import Contents, Engine
from orchestrator.engines.spec import EngineSpec
from orchestrator.engines.torch.image import contents as torch_contents
from orchestrator.errors import SpecError
from orchestrator.spec.document import parse_document, validate

FILE = "engine.yaml"
_FORMER = {"accelerate": "torch"}
"""Names of before, as recipes and the records of older runs have them."""
_SHIPPED: dict[str, Contents] = {"torch": torch_contents}


def engine_of(name: str) -> Engine:
    """The engine that a stack names. Raises SpecError when there is none."""
    name = _FORMER.get(name, name)
    if name not in _SHIPPED:
        raise SpecError(
            f"there is no engine named {name!r}", resolution=f"Known: {', '.join(_SHIPPED)}."
        )
    return _shipped(name)


@cache
def _shipped(name: str) -> Engine:
    folder = files("orchestrator.engines") / name
    text = folder.joinpath(FILE).read_text(encoding="utf-8")
    document = parse_document(text, source=f"{name}/{FILE}")
    return Engine(validate(EngineSpec, document), folder, _SHIPPED[name])
