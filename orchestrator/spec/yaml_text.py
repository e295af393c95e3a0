"""YAML, read so that no file can make it costly: bounded in depth, and in what it expands to.

YAML's aliases let one kilobyte stand for gigabytes. They cost nothing while they are read, but all
who walk through the data afterwards pay: so what the text stands for is counted first, each anchor
once.
"""

import re
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import yaml

DEPTH = 64
"""Levels of nesting."""
VALUES = 20_000
"""Values that a text may stand for, keys included, each alias counted in full."""
CHARACTERS = 2**22
"""Characters of these values, likewise."""
_DIGITS = 64

_UNFIT = re.compile("[\0\ud800-\udfff]")
_NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
_BOOL = "tag:yaml.org,2002:bool"
_NOT_YAML = (ValueError, KeyError, TypeError, AttributeError, OverflowError)
"""What PyYAML's constructors let through of Python's own errors."""


class TooMuchError(yaml.MarkedYAMLError):
    """The text is YAML, but more of it than anybody writes by hand."""


class WrittenInt(int):
    """A whole number that knows how it was written."""

    written: str


class WrittenFloat(float):
    """A number, likewise."""

    written: str


# What is written out again is the number.
yaml.SafeDumper.add_representer(WrittenInt, yaml.SafeDumper.represent_int)
yaml.SafeDumper.add_representer(WrittenFloat, yaml.SafeDumper.represent_float)


class _Loader(yaml.SafeLoader):
    """PyYAML's, but as YAML 1.2 has it `on`, `off`, `yes` and `no` are text: `on` is a key of ours.

    Where a truth value is expected, pydantic takes these words for it.
    """

    yaml_implicit_resolvers = {
        first: [(tag, form) for tag, form in resolvers if tag != _BOOL]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    _depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        self._depth += 1
        if self._depth > DEPTH:
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise TooMuchError(None, None, f"nested deeper than {DEPTH} levels", mark)
        node: yaml.Node | None = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        return super().construct_object(node, deep=deep)

    def _scalar(self, node: yaml.ScalarNode) -> Hashable:
        """A value that is not fit is reported with its line."""
        if _UNFIT.search(node.value):
            raise _unfit(node, "it holds a character that no text has")
        if node.tag in _NUMBERS and len(node.value) > _DIGITS:
            raise _unfit(node, "this number is too long")
        try:
            value: Hashable = super().construct_object(node)
        except _NOT_YAML as error:
            raise _unfit(node, str(error)) from None
        if isinstance(value, int) and abs(value) >= 2**63:
            raise _unfit(node, "this number is too large")
        return _written(value, node.value)


_Loader.add_implicit_resolver(
    _BOOL, re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z"), list("tTfF")
)


def _written(value: Hashable, text: str) -> Hashable:
    """A number where text is expected is that text: of 1.10 and 010 nothing may get lost."""
    number: WrittenInt | WrittenFloat
    match value:
        case bool():
            return value
        case int():
            number = WrittenInt(value)
        case float():
            number = WrittenFloat(value)
        case _:
            return value
    number.written = text
    return number


@dataclass(frozen=True)
class _Size:
    values: int
    characters: int


def compose(text: str) -> yaml.Node | None:
    """The text's nodes, which know their lines; None when it is empty.

    Raises yaml.MarkedYAMLError; TooMuchError is one of them.
    """
    try:
        root: yaml.Node | None = yaml.compose(text, Loader=_Loader)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position)
        mark = yaml.Mark("", error.position, line, 0, None, 0)
        raise yaml.MarkedYAMLError(None, None, f"{error.reason} here", mark) from None
    if root is not None:
        _measure(root, {}, set())
    return root


def construct(text: str) -> Any:
    """The data of a text that `compose` has found fit."""
    return yaml.load(text, Loader=_Loader)


def _unfit(node: yaml.Node, reason: str) -> yaml.MarkedYAMLError:
    return yaml.constructor.ConstructorError(None, None, reason, node.start_mark)


def _measure(node: yaml.Node, known: dict[int, _Size], above: set[int]) -> _Size:
    """What the node stands for, aliases in full. Each node is looked at once."""
    if id(node) in above:
        raise TooMuchError(None, None, "an alias of what it is in", node.start_mark)
    if id(node) in known:
        return known[id(node)]
    if isinstance(node, yaml.ScalarNode):
        size = _Size(1, len(node.value))
    else:
        above.add(id(node))
        children = (
            [part for pair in node.value for part in pair]
            if isinstance(node, yaml.MappingNode)
            else node.value
        )
        sizes = [_measure(child, known, above) for child in children]
        size = _Size(1 + sum(s.values for s in sizes), sum(s.characters for s in sizes))
        above.discard(id(node))
    if size.values > VALUES or size.characters > CHARACTERS:
        raise TooMuchError(
            None, None, f"with its aliases this stands for more than {VALUES:,} values "
            f"or {CHARACTERS // 2**20} MiB of text", node.start_mark,
        )  # fmt: skip
    known[id(node)] = size
    return size
