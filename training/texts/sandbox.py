"""Where a chat template runs. It comes with a model, so it is a program of somebody else's.

Jinja's sandbox keeps it from the computer. Beyond that a rendering is bounded: in the steps of its
loops and calls, and in the length of any text that it joins or writes. What single filters make of
one value is not: the memory limit of the process bounds that.
"""

import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import lru_cache
from typing import Any, cast

from jinja2 import TemplateError, nodes, pass_context
from jinja2.compiler import CodeGenerator
from jinja2.exceptions import SecurityError
from jinja2.ext import Extension, loopcontrols
from jinja2.meta import find_undeclared_variables
from jinja2.parser import Parser
from jinja2.runtime import Context, Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace
from jinja2.visitor import NodeTransformer

TODAY = datetime(2024, 7, 26)
"""The day that templates are told: a run that is resumed after midnight would else read other data
than it began with. It is the day that Llama's templates write without a clock."""

STEPS = 2_000_000
"""Rounds of all loops of one rendering. A conversation of a thousand turns with tools may take half
a million, where for every turn a template goes through those that follow."""

CALL = 20
"""Rounds that a call counts for, by the time that it takes."""

LONGEST = 64 * 2**20
"""Characters of a text."""

WATCH = "_watch"
"""Under this name a rendering finds its `Watch`."""


class Watch:
    """One rendering: what it has used, and where marks of learned text stand in what it wrote."""

    def __init__(self) -> None:
        self.steps = 0
        self.length = 0
        self.marks: list[tuple[int, str]] = []

    def step(self, count: int = 1) -> None:
        self.steps += count
        if self.steps > STEPS:
            raise SecurityError(f"it does not end within {STEPS} rounds of its loops")

    def wrote(self, piece: str) -> str:
        self.length += len(piece)
        if self.length > LONGEST:
            raise SecurityError(f"it writes more than {LONGEST} characters")
        return piece


@lru_cache(maxsize=8)
def compiled(source: str) -> Any:
    """The template, ready to render; kept, because a data set renders one some million times.

    Raises jinja2.TemplateError for what is not Jinja.
    """
    return _environment().from_string(source)


@lru_cache(maxsize=8)
def variables(source: str) -> frozenset[str]:
    """Names that it reads and does not set itself."""
    return frozenset(find_undeclared_variables(_environment().parse(source)))


def _environment() -> "_Sandbox":
    return _Sandbox(trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, loopcontrols])


def _counted(context: Context, items: Any) -> Any:
    """What a loop goes through; its rounds count."""
    watch: Watch = context[WATCH]
    if hasattr(items, "__len__"):
        watch.step(len(items))
        return items
    return _one_by_one(watch, items)


def _one_by_one(watch: Watch, items: Iterable[Any]) -> Iterator[Any]:
    for item in items:
        watch.step()
        yield item


def _bounded(_: Context, value: Any) -> Any:
    """What has been joined; doubling a text a few dozen times would fill any memory."""
    if isinstance(value, str | list | tuple) and len(value) > LONGEST:
        raise SecurityError(f"it makes a text of more than {LONGEST} characters")
    return value


class _Bounds(NodeTransformer):
    """Puts the bounds around what can grow."""

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802, a name of Jinja's
        self.generic_visit(node)
        node.iter = _through("counted", cast(nodes.Expr, node.iter))
        return node

    def _joined(self, node: nodes.Expr) -> nodes.Expr:
        self.generic_visit(node)
        return _through("bounded", node)

    visit_Add = visit_Concat = _joined  # noqa: N815


def _through(name: str, value: nodes.Expr) -> nodes.Expr:
    call = nodes.Filter(value, name, [], [], None, None, lineno=value.lineno)
    if value.environment:
        call.set_environment(value.environment)
    return call


class _Generator(CodeGenerator):
    def visit_Template(self, node: nodes.Template, frame: Any = None) -> None:  # noqa: N802
        super().visit_Template(_Bounds().visit(node), frame)


class _Sandbox(ImmutableSandboxedEnvironment):
    """As transformers has it (utils/chat_template_utils.py), and with the bounds of this module."""

    code_generator_class = _Generator
    intercepted_binops = frozenset(("*", "**"))

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.filters |= {
            "tojson": _tojson,
            "counted": pass_context(_counted),
            "bounded": pass_context(_bounded),
        }
        self.globals |= {
            "raise_exception": _refuse,
            "strftime_now": TODAY.strftime,
            "namespace": _OpenNamespace,
        }

    def call(__self, __context: Context, __obj: Any, *args: Any, **named: Any) -> Any:  # noqa: N805
        __context[WATCH].step(CALL)
        return super().call(__context, __obj, *args, **named)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        if operator == "**" or _size(left) * _size(right) > LONGEST:
            raise SecurityError("it multiplies to more than any chat needs")
        return super().call_binop(context, operator, left, right)


def _size(factor: Any) -> int:
    return abs(int(factor)) if isinstance(factor, int | float) else len(factor)


class _Generation(Extension):
    """`{% generation %}` … `{% endgeneration %}`: what stands between them is learned."""

    tags = {"generation"}  # noqa: RUF012, Jinja's own way

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        mark = self.call_method("_marked", [nodes.ContextReference()])
        return nodes.CallBlock(mark, [], [], body).set_lineno(line)

    def _marked(self, context: Context, caller: Macro) -> str:
        text: str = caller()
        watch: Watch = context[WATCH]
        watch.marks.append((watch.length, text))
        return text


class _OpenNamespace(Namespace):
    """Holds what a template puts there, but for names that mean something to Python."""

    def __init__(*args: Any, **named: Any) -> None:
        Namespace.__init__(*args, **named)
        for name in dict(*args[1:], **named):
            _open(name)

    def __setitem__(self, name: str, value: Any) -> None:
        super().__setitem__(_open(name), value)


def _open(name: str) -> str:
    if str(name).startswith("_"):
        raise SecurityError(f"a namespace cannot hold {name}")
    return name


def _tojson(value: Any, ensure_ascii: bool = False, indent: int | None = None, **how: Any) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, **how)


def _refuse(message: str) -> None:
    raise TemplateError(message)
