"""The docstrings below a model's fields, read when somebody wants to see them.

pydantic would read the source of every class when it is defined (`use_attribute_docstrings`), which
was a fifth of what a command takes to start.
"""

import ast
import inspect
import textwrap
from itertools import pairwise
from typing import Any


def field_docstrings(cls: type[Any]) -> dict[str, str]:
    """By field, inherited ones included."""
    found: dict[str, str] = {}
    for one in reversed(cls.__mro__):
        if "__annotations__" in vars(one) and one.__module__.partition(".")[0] != "pydantic":
            found |= _own(one)
    return found


def _own(cls: type[Any]) -> dict[str, str]:
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
    assert isinstance(definition, ast.ClassDef)
    return {
        field.target.id: inspect.cleandoc(below.value.value)
        for field, below in pairwise(definition.body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(below, ast.Expr)
        and isinstance(below.value, ast.Constant)
        and isinstance(below.value.value, str)
    }
