"""A model's chat template: Jinja, written for transformers' `apply_chat_template`.

It is rendered here as there, by the same rules, without transformers: a computer that only looks at
data has none.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, NamedTuple

from training.contract.errors import ConfigurationError, first_line
from training.texts.example import Turn
from training.texts.sandbox import WATCH, Watch, compiled, variables
from training.texts.training_template import training_template

_MARKS = re.compile(r"\{%[-+]?\s*generation\s*[-+]?%\}")
_PROBE = "sparkctl"


class Written(NamedTuple):
    """What a template has written, and which parts of it (first and last character) it marks."""

    text: str
    marks: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class ChatTemplate:
    """One template. Can be sent to another process."""

    source: str
    special_tokens: Mapping[str, str]
    """`bos_token`, `eos_token` and their like, as the tokenizer has them."""
    stops: tuple[str, ...] = ()
    """Texts of the tokens at which the model stops; empty: not known, and not checked."""
    training: str | None = None
    """A template that writes the same and marks what is learned."""
    with_tools: "ChatTemplate | None" = None
    """What writes conversations with tools, where the model has a template of its own for them."""

    @property
    def rendered(self) -> str:
        return self.training or self.source

    @property
    def has_marks(self) -> bool:
        """Whether it says itself what is learned."""
        return bool(_MARKS.search(self.rendered))

    @property
    def names(self) -> frozenset[str]:
        """The variables that it reads: tools, documents, settings of its own."""
        return variables(self.rendered)

    @property
    def takes(self) -> "Takes":
        """In which forms a content can be given to it."""
        return _takes(self.rendered, tuple(sorted(self.special_tokens.items())))

    def write(self, turns: Sequence[Turn], context: Mapping[str, Any], *, asking: bool) -> Written:
        """The conversation as the model sees it; `asking`: up to where its answer begins.

        Raises whatever a program raises: a template is one.
        """
        return _write(self.rendered, self.special_tokens, turns, context, asking)


def chat_template(
    source: str | Mapping[str, str], special_tokens: Mapping[str, str], stops: tuple[str, ...] = ()
) -> ChatTemplate | None:
    """The template of a tokenizer: one, or several by name, of which two are used (as transformers
    has it): `tool_use` for rows with tools, `default` else. None: it has no such one.

    Raises ConfigurationError for one that is not Jinja.
    """
    if isinstance(source, str):
        try:
            compiled(source)
        except Exception as broken:
            raise ConfigurationError(
                "chat_template_unfit",
                f"the chat template cannot be read: {first_line(broken)}",
                "Give data.chat_template one that can.",
            ) from None
        return ChatTemplate(source, special_tokens, stops, training_template(source))
    named = {
        name: chat_template(one, special_tokens, stops)
        for name, one in source.items()
        if name in ("default", "tool_use")
    }
    default = named.get("default")
    return replace(default, with_tools=named.get("tool_use")) if default else None


class Takes(NamedTuple):
    """Forms of a content that a template writes out."""

    text: bool
    parts: bool


@lru_cache(maxsize=8)
def _takes(source: str, special_tokens: tuple[tuple[str, str], ...]) -> Takes:
    """Seen by trying. Many write a list of parts as Python shows it: that is not understood."""
    forms = (_PROBE, [{"type": "text", "text": _PROBE}])
    text, parts = (_tried(source, dict(special_tokens), form) for form in forms)
    return Takes(text=_PROBE in text, parts=_PROBE in parts and "'text'" not in parts)


def _tried(source: str, special_tokens: Mapping[str, str], content: Any) -> str:
    try:
        turns = [{"role": "user", "content": content}]
        return _write(source, special_tokens, turns, {}, asking=True).text
    except Exception:  # a form that it does not take
        return ""


def _write(
    source: str,
    special_tokens: Mapping[str, str],
    turns: Sequence[Turn],
    context: Mapping[str, Any],
    asking: bool,
) -> Written:
    watch = Watch()
    given = {"tools": None, "documents": None, **special_tokens, **context}
    ours = {"messages": turns, "add_generation_prompt": asking, WATCH: watch}
    text = "".join(watch.wrote(piece) for piece in compiled(source).generate({**given, **ours}))
    for at, marked in watch.marks:
        if not text.startswith(marked, at):
            raise ValueError("it marks what is learned inside a macro, so nobody knows where")
    return Written(text, tuple((at, at + len(marked)) for at, marked in watch.marks))
