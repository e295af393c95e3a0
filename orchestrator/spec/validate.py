"""A document as a model, or one error that lists every fault with its place and what would do."""

from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from orchestrator.errors import SpecError, UnknownKeyError
from orchestrator.spec.document import Document
from orchestrator.spec.key_path import KeyPath
from orchestrator.spec.meant import meant_by, paths_of
from orchestrator.spec.sections import as_written, dotted, is_kind
from orchestrator.spec.sentences import sentence
from training.contract.sentences import location

M = TypeVar("M", bound=BaseModel)

_KINDS = {
    "Cluster": "A cluster file is named with `-f FILE`; without it, it is cluster.yaml.",
    "Stack": "A stack is what `sparkctl train` trains: its name, or the path of its file.",
    "Engine": "An engine is what a stack names with its key `engine`: docs/engines.md.",
}
"""What else a file may be, and where it is named."""


def validate(model: type[M], document: Document) -> M:
    """Raises SpecError; UnknownKeyError where nothing but keys of `--set` are unknown."""
    _refuse_another_kind(model, document)
    try:
        return model.model_validate(document.data)
    except ValidationError as error:
        found = error.errors(include_url=False)
        # What is written wrong may be the very key that is missing.
        found.sort(key=lambda fault: fault["type"] == "missing")
        faults = [_Fault(model, document, fault) for fault in found]
        from_option = all(f.unknown and f.place.startswith("--set") for f in faults)
        raise (UnknownKeyError if from_option else SpecError)(
            faults[0].line,
            details="\n".join(fault.line for fault in faults[1:]) or None,
            resolution=f"Nothing was changed anywhere. {_where_to_read(model, faults[0])}",
        ) from None


class _Fault:
    """One fault of pydantic's, in our words."""

    def __init__(self, model: type[BaseModel], document: Document, fault: Any) -> None:
        self.path, holders = as_written(model, location(fault))
        self.unknown = fault["type"] == "extra_forbidden"
        self.place = document.place(self.path)
        key = ".".join(map(str, self.path))
        if self.unknown:
            said = f"unknown key; {_hint(model, self.path, holders)}"
        else:
            said = sentence(fault)
        self.line = f"{self.place}: {key}: {said}" if key else f"{self.place}: {said}"


def _hint(model: type[BaseModel], path: KeyPath, holders: list[type[BaseModel]]) -> str:
    """What may have been meant, or all that there is."""
    if any(is_kind(holder, path[-1]) for holder in holders):
        return f"the keys of {path[-1]} are written without it: {dotted(path[:-1])}.KEY"
    known = sorted({name for holder in holders for name in holder.model_fields})
    near = meant_by(str(path[-1]), model, dotted(path[:-1]), known)
    if near:
        return f"did you mean {' or '.join(map(repr, near))}?"
    return f"known here: {', '.join(known)}" if known else "there are no keys below"


def _where_to_read(model: type[BaseModel], fault: _Fault) -> str:
    """The nearest key that has words of its own."""
    kind = get_args(model.model_fields["kind"].annotation) if "kind" in model.model_fields else ()
    if "Engine" in kind:
        return "docs/engines.md lists all keys."
    known = paths_of(model)
    parts = dotted(fault.path).split(".")
    while parts and ".".join(parts) not in known:
        parts.pop()
    if not parts:
        return "docs/reference.md lists all keys."
    return f"`sparkctl explain {'.'.join(parts)}` says what belongs there."


def _refuse_another_kind(model: type[BaseModel], document: Document) -> None:
    """A file of another kind would be wrong in every key."""
    found = str(document.data.get("kind"))
    wanted = next(iter(get_args(model.model_fields["kind"].annotation)), None)
    if wanted in _KINDS and found in _KINDS and found != wanted:
        raise SpecError(
            f"{document.place(('kind',))}: kind: this is {_a(found)}; {_a(wanted)} is wanted",
            resolution=f"{_KINDS[wanted]} {_KINDS[found]}",
        )


def _a(kind: str) -> str:
    return f"an {kind}" if kind == "Engine" else f"a {kind}"
