"""Examples written out: which text the model reads, and which segments of it are learned."""

from collections.abc import Iterator

from training.contract.errors import ConfigurationError
from training.texts.bad_row import bad_row
from training.texts.example import Chat, Example, Sample, Segment, Text
from training.texts.learned import Draft, drafts
from training.texts.missing import is_lost, missing
from training.texts.script import Script
from training.texts.stops import last_stop
from training.texts.template import ChatTemplate


def samples(example: Example, template: ChatTemplate | None) -> tuple[Sample, ...]:
    """The sequences of one example. Raises `ConfigurationError` that names its row."""
    if isinstance(example, Text):
        return (_sound(Sample(example.where, example.segments, marked=False)),)
    if template is None:
        raise ConfigurationError(
            "chat_template_missing",
            f"{example.where} is a conversation, but the tokenizer of this model has no chat "
            "template",
            "Use an instruct model, or give data.chat_template.",
        )
    return tuple(map(_sound, _written(example, template)))


def _written(chat: Chat, template: ChatTemplate) -> list[Sample]:
    if template.with_tools and chat.context.get("tools"):
        template = template.with_tools
    script = Script(chat, template)
    found = drafts(script)
    for draft in found:
        _require_answers(chat, draft)
        _require_ends(chat.where, draft, template.stops)
    return [
        Sample(
            chat.where,
            tuple(_segments(draft)),
            marked=True,
            unread=_unread(script, draft),
            way=draft.way,
        )
        for draft in found
    ]


def _unread(script: Script, draft: Draft) -> frozenset[str]:
    """What the row has and the template has no form for. Earlier answers are there as the model
    will see them."""
    turns, text = script.chat.turns[: draft.turns], "".join(draft.learned)
    gone = (
        f"content ({turn['role']})"
        for place, turn in enumerate(turns)
        if turn["role"] != "assistant" and script.is_gone(place, draft.turns, draft.text)
    )
    answers = (missing(turns[answer], text) for answer in draft.answers)
    return script.unread(range(draft.turns)).union(script.unused(), gone, *answers)


def _segments(draft: Draft) -> Iterator[Segment]:
    at = 0
    for first, last in draft.spans:
        if first > at:
            yield Segment(draft.text[at:first], in_loss=False)
        yield Segment(draft.text[first:last], in_loss=True)
        at = last
    if at < len(draft.text):
        yield Segment(draft.text[at:], in_loss=False)


def _require_answers(chat: Chat, draft: Draft) -> None:
    text = "".join(draft.learned)
    lost = any(is_lost(chat.turns[answer], text) for answer in draft.answers)
    if lost or not draft.spans:
        raise _nothing(chat.where, draft)


def _require_ends(where: str, draft: Draft, stops: tuple[str, ...]) -> None:
    """Every answer says something, and ends where the model stops."""
    for text in draft.learned:
        stop = last_stop(text, stops)
        if stops and stop is None:
            raise ConfigurationError(
                "chat_template_unfit",
                f"{where}: the chat template ends an answer with {text[-20:]!r}. That is no stop "
                f"token of the model ({', '.join(stops)}), so it would not learn to stop",
                "Give data.chat_template one that ends answers with such a token, or use a model "
                "whose generation_config.json has this one among its eos_token_id.",
            )
        if not text.strip().removesuffix((stop or "").strip()):
            raise _nothing(where, draft)


def _nothing(where: str, draft: Draft) -> ConfigurationError:
    turns = ", ".join(str(answer + 1) for answer in draft.answers)
    return bad_row(
        where,
        f"the chat template writes nothing of an answer (turns that answer: {turns})",
        "Most have no form for calls of tools: give data.chat_template one that has, or leave such "
        "rows out.",
    )


def _sound(sample: Sample) -> Sample:
    """The same. Half of a character of two halves (JSON can say it) is in no text."""
    try:
        for segment in sample.segments:
            segment.text.encode()
    except UnicodeEncodeError as broken:
        raise bad_row(
            sample.where, f"{broken.object[broken.start]!r} is half of a character"
        ) from None
    return sample
