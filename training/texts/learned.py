"""What is learned of a conversation: found in one of four ways, each of which proves itself.

A template that marks it (its own marks, or those of trl's training template for it) says so. A
template that only ever adds to its text tells an answer apart by what it adds to the text that
asks for it. One that rewrites earlier turns gives each answer a sample of its own, before what the
model sees when it has to write that answer.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

from training.contract.errors import ConfigurationError
from training.texts.content import joined
from training.texts.example import Way
from training.texts.missing import missing
from training.texts.script import OTHER, Script
from training.texts.stops import last_stop

Span = tuple[int, int]
"""First character, and the one after the last."""


class Draft(NamedTuple):
    """One text, and what is learned of it."""

    turns: int
    """It is written of so many turns of the conversation."""
    answers: tuple[int, ...]
    """The places of those that are learned."""
    text: str
    spans: tuple[Span, ...]
    way: Way

    @property
    def learned(self) -> tuple[str, ...]:
        return tuple(self.text[first:last] for first, last in self.spans)


def drafts(script: Script) -> Sequence[Draft]:
    """The texts of one conversation: one, or one for each of its answers."""
    return _by_marks(script) if script.template.has_marks else _by_adding(script)


def _by_marks(script: Script) -> Sequence[Draft]:
    """One text, where it teaches every answer as it is asked for; else one for each answer.

    A template with marks may still rewrite earlier turns: it drops their thoughts, or ends them in
    another token than the one that the model has to stop at.
    """
    chat = script.chat
    turns = chat.answers[-1] + 1
    written = script.write(turns)
    whole = Draft(turns, chat.answers, written.text, _touching(written.marks), _way(script))
    all_learned = chat.unlearned.isdisjoint(range(turns))
    if all_learned and (len(chat.answers) == 1 or not any(_flaws(script, [whole]))):
        return [whole]
    single = [draft for answer in chat.answers if (draft := _marked(script, answer))]
    told = len(single) == len(chat.answers)
    if not (told or all_learned):
        raise _unfit(script, "and its marks do not tell which answer they belong to")
    ways = [[whole]] * all_learned + [single] * told
    return min(ways, key=lambda found: _flaws(script, found))


def _marked(script: Script, answer: int) -> Draft | None:
    """The marks of one answer: those beyond what is written before it."""
    before = script.write(answer).text
    text, marks = script.write(answer + 1)
    at = _goes_on(script, answer, before, text)
    if at is None:
        return None
    moved = len(before) - at
    spans = ((first + moved, last + moved) for first, last in marks if first >= at)
    return Draft(answer + 1, (answer,), before + text[at:], _touching(spans), _way(script))


def _goes_on(script: Script, answer: int, before: str, text: str) -> int | None:
    """Where `text` goes on after what `before` ends with: at its end, where it is the beginning.

    Else a template has rewritten what is earlier, and the last turn before the answer is the same
    in both, at one place.
    """
    if text.startswith(before):
        return len(before)
    last = before.removeprefix(_earlier(script, answer))
    if last in ("", before) or text.count(last) != 1:
        return None
    return text.index(last) + len(last)


def _earlier(script: Script, answer: int) -> str:
    """What is written before the turn that an answer follows; nothing where that is no talk yet."""
    try:
        return script.write(answer - 1).text
    except ConfigurationError:  # a system turn alone, or no turn at all
        return ""


def _by_adding(script: Script) -> Sequence[Draft]:
    answers = script.chat.answers
    pairs = [
        (script.write(answer, asking=True).text, script.write(answer + 1).text)
        for answer in answers
    ]
    texts = [text for pair in pairs for text in pair]
    if all(longer.startswith(shorter) for shorter, longer in pairwise(texts)):
        spans = tuple((len(asked), len(answered)) for asked, answered in pairs)
        return [Draft(answers[-1] + 1, answers, texts[-1], spans, "added")]
    return [
        _added(script, answer, asked, answered)
        for answer, (asked, answered) in zip(answers, pairs, strict=True)
    ]


def _added(script: Script, answer: int, asked: str, answered: str) -> Draft:
    at = _goes_on(script, answer, asked, answered)
    text = asked + (_continued(script, answer, asked) if at is None else answered[at:])
    return Draft(answer + 1, (answer,), text, ((len(asked), len(text)),), "one by one")


def _continued(script: Script, answer: int, asked: str) -> str:
    """An answer of which the text that asks for it has written the beginning (`<think>`), while the
    template writes it without its thoughts once it is there.

    The model has to write the rest of the answer as its row has it, and the template's end. The end
    is seen by giving the template another answer, without thoughts.
    """
    before, found, end = script.saying(answer, OTHER).write(answer + 1).text.rpartition(OTHER)
    opening = asked[len(before) :]
    said = joined(script.chat.turns[answer]["content"] or "").lstrip()
    if not (found and asked.startswith(before) and opening.strip()):
        raise _unfit(script, "and what it adds for an answer does not follow what asks for it")
    if not said.startswith(opening.strip()):
        raise _unfit(
            script,
            f"and begins answers with {opening!r}, which this answer does not begin with",
        )
    rest = said.removeprefix(opening.strip())
    return rest.removeprefix(opening[len(opening.rstrip()) :]) + end


def _way(script: Script) -> Way:
    return "training template" if script.template.training else "marks"


def _flaws(script: Script, found: Sequence[Draft]) -> tuple[int, int]:
    """Learned texts at whose end the model would not stop, and parts of answers that they lack."""
    stops = script.template.stops
    unended = sum(not last_stop(text, stops) for draft in found for text in draft.learned)
    gone = (
        missing(script.chat.turns[answer], "".join(draft.learned))
        for draft in found
        for answer in draft.answers
    )
    return unended if stops else 0, sum(map(len, gone))


def _touching(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Spans that touch are one; empty ones are none."""
    joint: list[Span] = []
    for first, last in spans:
        if joint and joint[-1][1] == first:
            joint[-1] = (joint[-1][0], last)
        elif first < last:
            joint.append((first, last))
    return tuple(joint)


def _unfit(script: Script, problem: str) -> ConfigurationError:
    return ConfigurationError(
        "chat_template_unfit",
        f"{script.chat.where}: the chat template writes turns otherwise once more turns follow, "
        f"{problem}: what the model sees in use cannot be derived",
        "Give data.chat_template one that marks what is learned ({% generation %}), or one that "
        "only ever adds to its text.",
    )
