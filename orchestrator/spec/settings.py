"""`--set key=value`: what it changes in a stack's document."""

from orchestrator.errors import SpecError, UnknownKeyError
from orchestrator.spec.document import Document
from orchestrator.spec.key_path import KeyPath
from orchestrator.spec.meant import ending, outermost, single_paths_of
from orchestrator.spec.parse import parse_value
from orchestrator.spec.sections import is_kind, sections_at
from orchestrator.spec.stack import StackSpec

_OPTION = "--set"


def override(document: Document, settings: tuple[str, ...]) -> None:
    """Put all of them into the document, the last one wins. Raises SpecError."""
    for setting in settings:
        key, equals, raw = setting.partition("=")
        place = f"{_OPTION} {setting}"
        if not equals or not all(key.split(".")):
            raise SpecError(
                f"{place}: not of the form key=value",
                resolution="Write for example --set training.optim.lr=1e-4",
            )
        path = _whole(key, place)
        document.override(path, parse_value(raw, source=place), place)
        _leave_what_another_kind_has(document, path)


def _whole(key: str, place: str) -> KeyPath:
    """`lr` is training.optim.lr, as long as there is but one."""
    first = key.partition(".")[0]
    known = [] if first in StackSpec.model_fields else ending(key, single_paths_of(StackSpec))
    found = outermost(known)
    if len(found) > 1:
        raise UnknownKeyError(
            f"{place}: {key}: several keys end so: {', '.join(found)}",
            resolution="Write one of them in full.",
        )
    return tuple((found or [key])[0].split("."))


def _leave_what_another_kind_has(document: Document, path: KeyPath) -> None:
    """With `method.kind=full` goes what the file says of LoRA; not what other options say."""
    *above, last = path
    kinds = sections_at(StackSpec, tuple(above))
    section = document.at(tuple(above))
    chosen = [kind for kind in kinds if len(kinds) > 1 and is_kind(kind, str(section[last]))]
    for key in set(section) if chosen else ():
        place = document.place((*above, key))
        if key not in chosen[0].model_fields and not place.startswith(_OPTION):
            document.remove((*above, key))
