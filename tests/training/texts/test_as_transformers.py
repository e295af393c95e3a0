"""Our rendering beside `apply_chat_template` of transformers: the same text, the same marks."""

from typing import Any

import pytest

from tests.training.texts.shipped_templates import SHAPES, SOURCES, special_tokens_of
from training.rows.row import Row
from training.texts.example import Chat
from training.texts.row_shapes import to_example
from training.texts.script import Script
from training.texts.template import ChatTemplate

pytestmark = [
    pytest.mark.torch,
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.skipif(not SOURCES, reason="trl, which has the templates, is not here"),
]

PARTS = {
    "messages": [
        {
            "role": "user",
            "content": [{"type": "text", "text": " One "}, {"type": "text", "text": "?"}],
        },
        {"role": "assistant", "content": [{"type": "text", "text": "First answer."}]},
    ]
}


@pytest.fixture(autouse=True)
def the_same_day(monkeypatch: pytest.MonkeyPatch) -> None:
    """transformers' clock stands where ours does."""
    from transformers.utils import chat_template_utils as theirs

    from training.texts.sandbox import TODAY

    class Clock:
        @staticmethod
        def now() -> Any:
            return TODAY

    monkeypatch.setattr(theirs, "datetime", Clock)


def ours(name: str, columns: dict[str, Any], *, asking: bool) -> Any:
    chat = to_example(Row("row", columns), "chat")
    assert isinstance(chat, Chat)
    template = ChatTemplate(SOURCES[name], special_tokens_of(name))
    return Script(chat, template).write(len(chat.turns), asking=asking)


def theirs(name: str, columns: dict[str, Any], *, asking: bool) -> Any:
    """Text and marks, as a tokenizer calls it: null is left out."""
    from transformers.utils.chat_template_utils import render_jinja_template

    turns = [
        {key: value for key, value in turn.items() if value is not None}
        for turn in columns["messages"]
    ]
    texts, marks = render_jinja_template(
        [turns], columns.get("tools"), chat_template=SOURCES[name],
        return_assistant_tokens_mask=True, add_generation_prompt=asking, **special_tokens_of(name),
    )  # fmt: skip
    return texts[0], tuple(marks[0])


@pytest.mark.parametrize("asking", [True, False])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", SOURCES)
def test_the_same_text_and_marks(name: str, shape: str, asking: bool) -> None:
    try:
        expected = theirs(name, SHAPES[shape], asking=asking)
    except Exception as refused:
        pytest.skip(f"transformers refuses it: {refused}")
    if "Be brief." not in expected[0] and "One?" not in expected[0] and shape != "tools":
        pytest.skip("it writes lists of parts alone, and transformers gives it a text")
    assert ours(name, SHAPES[shape], asking=asking) == expected


@pytest.mark.parametrize("name", SOURCES)
def test_the_same_of_parts(name: str) -> None:
    try:
        text, marks = theirs(name, PARTS, asking=False)
    except Exception as refused:
        pytest.skip(f"transformers refuses it: {refused}")
    if "'text'" in text or "One" not in text:
        pytest.skip("the template takes no lists: it shows Python's, or writes nothing")
    assert ours(name, PARTS, asking=False) == (text, marks)


def test_through_a_tokenizer() -> None:
    """The masks of tokens, by the method that people call."""
    from training.builtin.tiny import make_tokenizer
    from training.data.tokenizer import encoder_of
    from training.texts.samples import samples

    tokenizer = make_tokenizer()
    tokenizer.chat_template = (
        "{% for m in messages %}[{{ m.role }}]{% if m.role == 'assistant' %}{% generation %}"
        "{{ m.content }}</s>{% endgeneration %}{% else %}{{ m.content }}{% endif %}{% endfor %}"
    )
    encoder = encoder_of(tokenizer)
    columns = SHAPES["chat"]
    chat = to_example(Row("row", columns), "chat")
    assert isinstance(chat, Chat)
    (sample,) = samples(chat, encoder.template)
    from training.tokens.tokens import to_tokens

    tokens = to_tokens(encoder.encode([sample])[0].words)
    expected = tokenizer.apply_chat_template(
        columns["messages"], return_dict=True, return_assistant_tokens_mask=True
    )
    assert tokens.input_ids == expected["input_ids"]
    assert [int(label != -100) for label in tokens.labels] == expected["assistant_masks"]
