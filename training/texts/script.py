"""One conversation before one template: what it writes of it, and what it leaves unread."""

from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

from jinja2 import TemplateError

from training.contract.errors import ConfigurationError, first_line
from training.texts.bad_row import bad_row
from training.texts.content import joined
from training.texts.example import Chat, Turn
from training.texts.template import ChatTemplate, Takes, Written
from training.texts.tool_calls import with_text_arguments
from training.texts.watched_turn import WatchedTurn, unread

OTHER = "sparkctl"
"""A content that no row has."""

_NAME = f"'{WatchedTurn.__module__}.{WatchedTurn.__qualname__} object'"
"""What Jinja calls a turn in its messages."""

_SHOWN = 300
"""Characters of what a template says when it refuses."""


class Script:
    """Renders the first turns of a chat. What all renderings have read counts together."""

    def __init__(self, chat: Chat, template: ChatTemplate) -> None:
        self.chat = chat
        self.template = template
        self._forms = [_watched(form) for form in _forms(chat.turns, template.takes)]

    def write(self, turns: int, *, asking: bool = False) -> Written:
        """The first `turns` turns; `asking`: and what asks for an answer.

        Raises `ConfigurationError` that names the row, whatever the template does.
        """
        failures = []
        for place, form in enumerate(self._forms):
            try:
                written = self.template.write(form.turns[:turns], self.chat.context, asking=asking)
            except Exception as failure:  # a template is a program of somebody else's
                failures.append(failure)
            else:
                del self._forms[:place]  # what these turns have shown to be no form for it
                return written
        raise _refusal(self.chat.where, failures) from None

    def unread(self, turns: Iterable[int]) -> frozenset[str]:
        """Keys of these turns that no rendering has read."""
        read = self._forms[0].read
        return frozenset().union(*(unread(self.chat.turns[turn], read[turn]) for turn in turns))

    def unused(self) -> frozenset[str]:
        """Columns beside the turns that the template has no use for."""
        return frozenset(self.chat.context) - self.template.names

    def is_gone(self, turn: int, turns: int, text: str) -> bool:
        """Whether `text`, of the first `turns` turns, says nothing of the content of this one.

        It may say it in another form, JSON for example: then another content gives another text.
        """
        said = joined(self.chat.turns[turn]["content"] or "").strip()
        if said and "content" not in self._forms[0].read[turn]:
            return True
        if said in text:
            return False
        return self.saying(turn, OTHER).write(turns).text == self.write(turns).text

    def saying(self, turn: int, content: str) -> "Script":
        """The same, with another content of one turn."""
        turns = list(self.chat.turns)
        turns[turn] = {**turns[turn], "content": content}
        return Script(replace(self.chat, turns=tuple(turns)), self.template)


class _Form(NamedTuple):
    """The turns in one form, and the keys that were read of each."""

    turns: list[WatchedTurn]
    read: list[set[str]]


def _watched(turns: list[Turn]) -> _Form:
    read: list[set[str]] = [set() for _ in turns]
    return _Form([WatchedTurn(turn, keys) for turn, keys in zip(turns, read, strict=True)], read)


def _forms(turns: tuple[Turn, ...], takes: Takes) -> list[list[Turn]]:
    """The forms in which a template may take the turns, the first one as transformers has it:
    without keys that are null.

    The others are for calls of tools. Some templates join their arguments as strings, and some tell
    a call by a content that is null, or need one to be there.
    """
    first = [_as_taken(turn, takes) for turn in turns]
    if not any("tool_calls" in turn for turn in turns):
        return [first]
    as_text = [
        {**turn, "tool_calls": with_text_arguments(turn["tool_calls"])}
        if "tool_calls" in turn
        else turn
        for turn in first
    ]
    blank = "" if takes.text else [{"type": "text", "text": ""}]
    return [
        [turn if "content" in turn else {**turn, **missing} for turn in form]
        for missing in ({}, {"content": None}, {"content": blank})
        for form in (first, as_text)
    ]


def _as_taken(turn: Turn, takes: Takes) -> Turn:
    given = {key: value for key, value in turn.items() if value is not None}
    content = given.get("content")
    if isinstance(content, str) and takes.parts and not takes.text:
        given["content"] = [{"type": "text", "text": content}]
    elif isinstance(content, list) and not takes.parts:
        given["content"] = joined(content)
    return given


def _refusal(where: str, failures: list[Exception]) -> ConfigurationError:
    """What the template says itself (by raise_exception), else how it failed first."""
    own = [failure for failure in failures if type(failure) is TemplateError]
    failure = (own or failures)[0]
    said = first_line(failure)[:_SHOWN].replace(_NAME, "a turn")
    if own:
        return bad_row(where, f"the chat template refuses it: {said}")
    return bad_row(
        where,
        f"the chat template fails on it: {said} ({type(failure).__name__})",
        "Give data.chat_template one that takes such turns, or leave such rows out.",
    )
