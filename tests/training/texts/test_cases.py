"""Data files as people bring them: a row of each kind, and what is learned of it."""

from typing import Any

import pytest

from training.contract.errors import ConfigurationError
from training.rows.row import Row
from training.texts.example import LeftOut, Text
from training.texts.row_shapes import to_example
from training.texts.samples import samples
from training.texts.template import ChatTemplate

END = "<|im_end|>"
QWEN = ChatTemplate(
    "{% if tools %}{{ tools | tojson }}{% endif %}"
    "{% for m in messages %}<|im_start|>{{ m.role }}\n"
    "{% if m.reasoning_content %}<think>{{ m.reasoning_content }}</think>{% endif %}"
    "{{ m.content }}"
    "{% for call in m.tool_calls %}<tool_call>{{ call.function | tojson }}</tool_call>{% endfor %}"
    "<|im_end|>{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}",
    {},
    (END,),
)
ASKED, ANSWERED = "어느 도시가 바다 옆에 있나요?", "부산입니다."
USER, ASSISTANT = (
    {"role": "user", "content": ASKED},
    {"role": "assistant", "content": ANSWERED},
)
CALL = {
    "id": "k1",
    "type": "function",
    "function": {"name": "tide", "arguments": {"port": "Busan"}},
}
TOOLS = [{"type": "function", "function": {"name": "tide", "parameters": {"type": "object"}}}]
WRITTEN_CALL = '<tool_call>{"name": "tide", "arguments": {"port": "Busan"}}</tool_call>'


def part(text: str) -> list[dict[str, str]]:
    return [{"type": "text", "text": text}]


@pytest.mark.parametrize(
    ("case", "columns", "learned", "unread"),
    [
        (
            "01 ShareGPT",
            {
                "id": "c0",
                "conversations": [
                    {"from": "system", "value": "Be brief."},
                    {"from": "human", "value": ASKED},
                    {"from": "gpt", "value": ANSWERED},
                ],
            },
            [ANSWERED + END],
            set(),
        ),
        ("01 OpenAI", {"conversations": [USER, ASSISTANT]}, [ANSWERED + END], set()),
        (
            "02",
            {
                "messages": [
                    {"role": "user", "content": part(ASKED)},
                    {"role": "assistant", "content": part(ANSWERED)},
                ]
            },
            [ANSWERED + END],
            set(),
        ),
        (
            "03 null content",
            {
                "tools": TOOLS,
                "messages": [
                    USER,
                    {"role": "assistant", "content": None, "tool_calls": [CALL]},
                    {"role": "tool", "tool_call_id": "k1", "content": "03:10"},
                    ASSISTANT,
                ],
            },
            [WRITTEN_CALL + END, ANSWERED + END],
            {"tool_call_id"},
        ),
        (
            "03 text beside a call",
            {
                "tools": TOOLS,
                "messages": [
                    USER,
                    {"role": "assistant", "content": "One moment.", "tool_calls": [CALL]},
                ],
            },
            ["One moment." + WRITTEN_CALL + END],
            set(),
        ),
        (
            "04 reasoning_content",
            {"messages": [USER, {**ASSISTANT, "reasoning_content": "One word."}]},
            ["<think>One word.</think>" + ANSWERED + END],
            set(),
        ),
        (
            "04 thinking",
            {"messages": [USER, {**ASSISTANT, "thinking": "One word."}]},
            ["<think>One word.</think>" + ANSWERED + END],
            set(),
        ),
        ("06", {"prompt": [USER], "completion": [ASSISTANT]}, [ANSWERED + END], set()),
        (
            "08 empty system turn",
            {"messages": [{"role": "system", "content": ""}, USER, ASSISTANT]},
            [ANSWERED + END],
            set(),
        ),
    ],
)
def test_a_chat_is_understood(
    case: str, columns: dict[str, Any], learned: list[str], unread: set[str]
) -> None:
    example = to_example(Row(case, columns), "chat")
    assert not isinstance(example, LeftOut)
    (sample,) = samples(example, QWEN)
    assert [segment.text for segment in sample.segments if segment.in_loss] == learned
    assert sample.unread == unread
    assert "'type'" not in "".join(segment.text for segment in sample.segments)


@pytest.mark.parametrize("answer", ["", None])
def test_08_an_empty_answer_is_left_out(answer: str | None) -> None:
    row = Row("08", {"instruction": ASKED, "input": None, "output": answer})
    for template in ("alpaca", "plain", "chat"):
        assert to_example(row, template) == LeftOut("08", "empty answer")


@pytest.mark.parametrize(
    ("case", "columns", "said", "remedy"),
    [
        ("07", {"prompt": "a", "chosen": "b", "rejected": "c"}, "preference", "completion: chosen"),
        ("09 numbers", {"instruction": "Add", "input": 12, "output": 7}, "a number (12)", "quotes"),
        ("09 qa", {"question": "a", "answer": "b"}, "columns are question", "completion: answer"),
    ],
)
def test_what_is_refused_says_what_is_missing(
    case: str, columns: dict[str, Any], said: str, remedy: str
) -> None:
    with pytest.raises(ConfigurationError, match=f"{case}: ") as caught:
        to_example(Row(case, columns), "alpaca")
    assert said in caught.value.message
    assert remedy in caught.value.remedy


def test_09_text_beside_other_columns_and_14_long_answers_are_texts() -> None:
    """Whether an answer is cut, its tokens tell."""
    for columns in (
        {"text": ASKED, "label": ANSWERED},
        {"prompt": "say ", "completion": "word " * 99},
    ):
        example = to_example(Row("here", columns), "alpaca")
        assert isinstance(example, Text)
        assert samples(example, None)[0].way == "text"
