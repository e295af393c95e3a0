"""Engines: those that sparkctl ships, by name, and others by the path of their folder."""

from functools import cache
from importlib.resources import files

from orchestrator.engines.engine import Contents, Engine
from orchestrator.engines.outside import outside
from orchestrator.engines.script.engine import script_engine
from orchestrator.engines.spec import FILE, EngineSpec
from orchestrator.engines.torch.image import contents as torch_contents
from orchestrator.errors import SpecError
from orchestrator.spec.parse import parse_document
from orchestrator.spec.stack import SCRIPT, StackSpec
from orchestrator.spec.validate import validate

_FORMER = {"accelerate": "torch"}
"""Names of before, as recipes and the records of older runs have them."""
_SHIPPED: dict[str, Contents] = {"torch": torch_contents}


def engine_of(stack: StackSpec) -> Engine:
    """The engine that a stack names. Raises SpecError when there is none."""
    if stack.script is not None:
        return script_engine(stack.script)
    if stack.engine_folder is not None:
        return outside(stack.engine_folder)
    name = _FORMER.get(stack.engine, stack.engine)
    if name not in _SHIPPED:
        raise SpecError(
            f"there is no engine named {name!r}",
            resolution=f"Known: {', '.join((*_SHIPPED, SCRIPT))}. "
            "A folder of your own: ./my-engine",
        )
    return _shipped(name)


@cache
def _shipped(name: str) -> Engine:
    folder = files("orchestrator.engines") / name

    def template(file: str) -> str:
        return folder.joinpath(file).read_text(encoding="utf-8")

    document = parse_document(template(FILE), source=f"{name}/{FILE}")
    return Engine(validate(EngineSpec, document), template, _SHIPPED[name])
