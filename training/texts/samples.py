"""Examples written out: which text the model reads, and which segments of it are learned."""

from collections.abc import Sequence

from jinja2 import TemplateError

from training.contract.errors import ConfigurationError
from training.texts.example import Chat, Example, Sample, Segment, Text
from training.texts.template import ChatTemplate


def samples(example: Example, template: ChatTemplate | None) -> tuple[Sample, ...]:
    """The sequences of one example. Raises `ConfigurationError` that names its row."""
    if isinstance(example, Text):
        return (Sample(example.where, example.segments, marked=False),)
    if template is None:
        raise ConfigurationError(
            "chat_template_missing",
            f"{example.where} is a conversation, but the tokenizer of this model has no chat "
            "template",
            "Use an instruct model, or give data.chat_template.",
        )
    return (Sample(example.where, _answers(example, template), marked=True),)


def _answers(chat: Chat, template: ChatTemplate) -> tuple[Segment, ...]:
    """A conversation up to its last answer.

    An answer is what the template adds to the text that asks for it, mark of its end included.
    """
    segments: list[Segment] = []
    written = ""
    for turn, message in enumerate(chat.turns):
        if message["role"] != "assistant":
            continue
        asked = _write(chat, turn, template, asking=True)
        answered = _write(chat, turn + 1, template, asking=False)
        if not asked.startswith(written) or not answered.startswith(asked):
            raise ConfigurationError(
                "chat_template_unfit",
                f"{chat.where}: the chat template writes turn {turn + 1} otherwise once more turns "
                "follow, so what the model sees in use cannot be derived from the whole",
                "Give data.chat_template one that only ever adds to its text, or split the "
                "conversations into single answers.",
            )
        segments += [Segment(asked[len(written) :], False), Segment(answered[len(asked) :], True)]
        written = answered
    return tuple(segments)


def _write(chat: Chat, turns: int, template: ChatTemplate, *, asking: bool) -> str:
    try:
        return template.write(chat.turns[:turns], chat.context, asking=asking)
    except TemplateError as refused:  # roles that do not alternate, a system turn it has no use for
        raise ConfigurationError(
            "data_invalid", f"{chat.where}: the chat template refuses it: {refused}"
        ) from None


def texts_of(segments: Sequence[Segment]) -> str:
    """The whole text."""
    return "".join(segment.text for segment in segments)
