"""A model's chat template: Jinja, written for transformers' `apply_chat_template`.

It is rendered here as there, by the same rules, without transformers: a computer that only looks at
data has none. A template comes with a model, so it runs in Jinja's sandbox.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jinja2
import jinja2.ext
from jinja2.sandbox import ImmutableSandboxedEnvironment

from training.texts.example import Turn

_TODAY = "26 Jul 2024"
"""Llama's templates write a date into the prompt, some of them today's: a run resumed after
midnight would read other data than it began with. This is what they write without a clock."""


@dataclass(frozen=True)
class ChatTemplate:
    """One template. Can be sent to another process."""

    source: str
    special_tokens: Mapping[str, str]
    """`bos_token`, `eos_token` and their like, as the tokenizer has them."""

    def write(self, turns: Sequence[Turn], context: Mapping[str, Any], *, asking: bool) -> str:
        """The conversation as the model sees it; `asking`: up to where its answer begins.

        Raises jinja2.TemplateError for turns that the template refuses.
        """
        return self._compiled.render(
            **{**self.special_tokens, "date_string": _TODAY, "tools": None, "documents": None},
            **context,
            messages=turns,
            add_generation_prompt=asking,
        )

    @cached_property
    def _compiled(self) -> jinja2.Template:
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=[jinja2.ext.loopcontrols]
        )
        environment.filters["tojson"] = _tojson
        environment.globals["raise_exception"] = _refuse
        environment.globals["strftime_now"] = lambda _: _TODAY
        return environment.from_string(self.source)


def _tojson(value: Any, ensure_ascii: bool = False, indent: int | None = None, **how: Any) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, **how)


def _refuse(message: str) -> None:
    raise jinja2.TemplateError(message)
