"""What a name means: a key of a file, a code of an error, a check, a way in which a run fails."""

from collections.abc import Iterator
from difflib import get_close_matches
from functools import cache
from inspect import getdoc

from orchestrator import errors
from orchestrator.api.keys import example_of, keys_by_file
from orchestrator.doctor.found import every_check
from orchestrator.errors import SparkctlError, SpecError
from orchestrator.spec.describe import Key
from orchestrator.spec.explanation import Explanation, Explanations, Part
from training.gang.advice import ADVICE

__all__ = ["Explanation", "Explanations", "explain", "names"]

_LISTS = {"errors": "error", "checks": "check", "failures": "failure"}
"""Words that stand for all of a kind."""


def explain(query: str) -> Explanations:
    """Everything that has this name. Raises SpecError with the nearest one when nothing has."""
    asked = query.strip().replace("[]", "")
    if asked in _LISTS:
        found = [one for one in _rest() if one.kind == _LISTS[asked]]
    else:
        found = [*_keys(asked), *(one for one in _rest() if _is_called(one, asked))]
    if not found:
        near = get_close_matches(asked, names(), n=3) or get_close_matches(
            asked.rpartition(".")[2], names(), n=3
        )
        meant = f"Did you mean {' or '.join(repr(name) for name in near)}? " if near else ""
        raise SpecError(
            f"nothing is called {query!r}",
            resolution=f"{meant}Ask for a key of a file, or for `errors`, `checks`, `failures`.",
        )
    return Explanations(query=query, found=tuple(found))


@cache
def names() -> tuple[str, ...]:
    """Everything that can be asked for: whole paths of keys, their last names, and the rest."""
    paths = [_path(key) for keys in keys_by_file().values() for key in keys]
    last = [path.rpartition(".")[2] for path in paths]
    rest = [word for one in _rest() for word in one.name.split()]
    return tuple(dict.fromkeys([*keys_by_file(), *paths, *last, *rest, *_LISTS]))


def _keys(asked: str) -> Iterator[Explanation]:
    """Those of which it is the whole path, else those of which it is the end."""
    whole, ends = [], []
    for file, keys in keys_by_file().items():
        if asked == file:
            whole.append(_file(file, keys))
        for key in keys:
            path = _path(key)
            if asked in (path, f"{file}.{path}"):
                whole.append(_of_key(file, key, keys))
            elif f"{file}.{path}".endswith(f".{asked}"):
                ends.append(_of_key(file, key, keys))
    yield from whole
    if not whole or "." not in asked:
        yield from ends


def _file(file: str, keys: tuple[Key, ...]) -> Explanation:
    top = tuple(_part(file, key) for key in keys if "." not in key.path)
    return Explanation(kind="section", name=file, text=f"The keys of the {file} file.", parts=top)


def _of_key(file: str, key: Key, keys: tuple[Key, ...]) -> Explanation:
    below = (one for one in keys if one.path.rpartition(".")[0] == key.path)
    parts = tuple(_part(file, one) for one in below)
    return Explanation(**_part(file, key).model_dump(), parts=parts)


def _part(file: str, key: Key) -> Part:
    section = key.type.endswith("section")
    return Part(
        kind="section" if section else "key",
        name=f"{file}.{_path(key)}",
        text=" ".join(key.text.split()),
        type=key.type.replace("`", ""),
        default=key.default.strip("`") or None,
        allowed=(*key.values, *key.limits),
        example=None if section else example_of(file, key),
    )


def _path(key: Key) -> str:
    return key.path.replace("[]", "")


@cache
def _rest() -> tuple[Explanation, ...]:
    return (*_errors(), *_checks(), *_failures())


def _is_called(one: Explanation, asked: str) -> bool:
    """Codes and classes are found however they are written."""
    return asked.lower() in one.name.lower().split()


def _errors() -> list[Explanation]:
    kinds = [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, SparkctlError)
    ]
    return [
        Explanation(
            **_of_error(kind).model_dump(),
            parts=tuple(_of_error(one) for one in kinds if kind in one.__bases__),
        )
        for kind in sorted(kinds, key=lambda kind: kind.code)
    ]


def _of_error(kind: type[SparkctlError]) -> Part:
    several = kind is errors.NodeErrors  # decided by its members
    return Part(
        kind="error",
        name=f"{kind.code} {kind.__name__}",
        text=" ".join((getdoc(kind) or "").split()),
        exit_code=None if several else kind.exit_code,
    )


def _checks() -> Iterator[Explanation]:
    for check in every_check():
        before = " and ".join({"train": "train"}.get(one, f"cluster {one}") for one in check.before)
        holds = check.look.__name__.replace("_", " ")
        ends = "warns" if check.warns else "stops"
        text = f"Before {before}: {holds}; else it {ends}. {check.why}"
        yield Explanation(kind="check", name=check.name, text=text, fix=check.fix)


def _failures() -> Iterator[Explanation]:
    for code, fix in ADVICE.items():
        yield Explanation(
            kind="failure",
            name=code,
            text="How an attempt of a run ended: `code` in its verdict, and in `runs show`.",
            fix=fix.format(run="RUN", node="that node"),
        )
