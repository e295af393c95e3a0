"""What a row is understood as: its turns whole, what is not learned, and mistakes by name."""

import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.contract.errors import ConfigurationError
from training.rows.row import Row
from training.texts.example import Chat, LeftOut, Segment, Text
from training.texts.row_shapes import to_example
from training.texts.samples import samples
from training.texts.template import ChatTemplate

U, A = {"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}
S = {"role": "system", "content": "s"}
CALL = {"type": "function", "function": {"name": "f", "arguments": {"x": 1}}}
CALLED = {"role": "assistant", "content": None, "tool_calls": [CALL]}
TOLD = {"role": "tool", "content": "t"}
TOOLS = [{"type": "function", "function": {"name": "f"}}]


def example_of(template: str = "alpaca", **columns: Any) -> Any:
    return to_example(Row("here", columns), template)


def share(*turns: tuple[str, str]) -> list[dict[str, str]]:
    return [{"from": name, "value": text} for name, text in turns]


@pytest.mark.parametrize(
    ("columns", "turns"),
    [
        ({"messages": [S, U, A]}, [S, U, A]),
        ({"messages": [{**S, "content": " "}, U, A]}, [U, A]),
        ({"messages": [{**S, "content": None}, U, A]}, [U, A]),
        ({"conversations": [U, A]}, [U, A]),
        (
            {"messages": '[{"role": "user", "content": "a"}, {"role": "gpt", "content": "b"}]'},
            [U, A],
        ),
        ({"conversations": share(("system", "s"), ("human", "a"), ("gpt", "b"))}, [S, U, A]),
        ({"conversations": share(("User", "a"), ("Model", "b"))}, [U, A]),
        ({"conversations": [U, A], "system": "s"}, [S, U, A]),
        ({"conversations": [S, U, A], "system": "other"}, [S, U, A]),
        ({"messages": [U, {**A, "name": "n", "x": [1]}]}, [U, {**A, "name": "n", "x": [1]}]),
        ({"messages": [U, {**A, "from": None, "value": None}]}, [U, A]),
        ({"messages": [U, CALLED, TOLD, A]}, [U, CALLED, TOLD, A]),
        ({"messages": [U, {**CALLED, "content": ""}, TOLD, A]}, [U, CALLED, TOLD, A]),
        ({"messages": [U, {**A, "tool_calls": []}]}, [U, A]),
        ({"messages": [U, {**A, "tool_calls": [CALL]}]}, [U, {**A, "tool_calls": [CALL]}]),
        (
            {
                "conversations": share(
                    ("human", "a"),
                    ("function_call", '{"name": "f", "arguments": {"x": 1}}'),
                    ("observation", "t"),
                    ("gpt", "b"),
                )
            },
            [U, CALLED, TOLD, A],
        ),
        (
            {
                "messages": [
                    U,
                    {"role": "assistant", "function_call": {"name": "f", "arguments": '{"x": 1}'}},
                    {"role": "function", "name": "f", "content": "t"},
                    A,
                ]
            },
            [U, CALLED, {**TOLD, "name": "f"}, A],
        ),
        (
            {
                "messages": [
                    U,
                    {
                        "role": "assistant",
                        "tool_calls": [
                            {"type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}}
                        ],
                    },
                ]
            },
            [U, CALLED],
        ),
        ({"prompt": [S, U], "completion": [A]}, [S, U, A]),
        ({"prompt": [U], "completion": "b"}, [U, A]),
        (
            {
                "messages": [
                    {**U, "content": [{"type": "text", "text": "a", "image": None}, "b"]},
                    A,
                ]
            },
            [{**U, "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}, A],
        ),
    ],
)
def test_turns_are_taken_whole(columns: dict[str, Any], turns: list[Any]) -> None:
    assert example_of(**columns) == Chat("here", tuple(turns))


@pytest.mark.parametrize(
    ("columns", "answers"),
    [
        ({"messages": [U, A, U, A]}, (1, 3)),
        ({"messages": [S, A]}, (1,)),
        ({"messages": [A, U, A]}, (2,)),
        ({"messages": [U, {**A, "weight": 0}, U, {**A, "weight": 1}]}, (3,)),
        ({"messages": [S, U, {**A, "train": False}, U, {**A, "train": True}]}, (4,)),
        ({"messages": [{**S, "content": ""}, U, {**A, "train": False}, U, A]}, (3,)),
        ({"messages": [U, {**A, "weight": 0}, U, A], "system": "s"}, (4,)),
        ({"prompt": [U, A, U], "completion": [CALLED, TOLD, A]}, (3, 5)),
        ({"prompt": [U], "completion": [{**A, "weight": 0}, U, A]}, (3,)),
    ],
)
def test_which_answers_are_learned(columns: dict[str, Any], answers: tuple[int, ...]) -> None:
    found = example_of(**columns)
    assert found.answers == answers
    assert not any({"weight", "train"} & set(turn) for turn in found.turns)


def test_what_stands_beside_the_turns_is_for_the_template() -> None:
    found = example_of(
        messages=[U, A], tools='[{"name": "f"}]', documents=[{"title": "d"}], id=7,
        chat_template_kwargs={"enable_thinking": False},
    )  # fmt: skip
    assert found.context == {
        "tools": [{"name": "f"}], "documents": [{"title": "d"}], "enable_thinking": False,
    }  # fmt: skip
    assert not example_of(messages=[U, A], tools=[], documents=None).context
    assert example_of(messages=[U, A], tools=['{"name": "f"}']).context["tools"] == [{"name": "f"}]
    former = example_of(messages=[U, A], functions=[{"name": "f"}])
    assert former.context["tools"] == TOOLS


@pytest.mark.parametrize(
    ("columns", "segments"),
    [
        ({"prompt": "a", "completion": "b"}, [("a", False), ("b", True)]),
        ({"text": "a", "label": "x"}, [("a", True)]),
        ({"messages": None, "prompt": "a", "completion": "b"}, [("a", False), ("b", True)]),
        ({"instruction": None, "output": None, "text": "a"}, [("a", True)]),
        ({"prompt": None, "completion": None, "text": "a"}, [("a", True)]),
    ],
)
def test_texts(columns: dict[str, Any], segments: list[tuple[str, bool]]) -> None:
    assert example_of(**columns) == Text("here", tuple(Segment(*one) for one in segments))


def test_a_row_with_alpaca_columns_and_text_is_alpaca() -> None:
    found = example_of(template="plain", instruction="a", input=None, output="b", text="a b")
    assert found == Text("here", (Segment("a\n", False), Segment("b", True)))


@pytest.mark.parametrize(
    ("columns", "why"),
    [
        ({"instruction": "a", "output": ""}, "empty answer"),
        ({"instruction": "a", "output": None}, "empty answer"),
        ({"instruction": "a", "input": "", "output": " \n"}, "empty answer"),
        ({"prompt": "a", "completion": None}, "empty answer"),
        ({"prompt": [U], "completion": []}, "empty answer"),
        ({"prompt": [U], "completion": ""}, "empty answer"),
        ({"messages": [U, {**A, "content": ""}]}, "empty answer"),
        ({"messages": [U, {**A, "content": None}, U, A]}, "empty answer"),
        ({"messages": [U, {**A, "content": [{"type": "text", "text": ""}]}]}, "empty answer"),
        ({"conversations": share(("human", "a"), ("gpt", ""))}, "empty answer"),
        ({"messages": [U, {**A, "content": "", "thinking": "t"}]}, "empty answer"),
        ({"messages": []}, "no answer to learn"),
        ({"messages": None}, "no answer to learn"),
        ({"messages": [U]}, "no answer to learn"),
        ({"messages": [A]}, "no answer to learn"),
        ({"messages": [U, {**A, "weight": 0}]}, "no answer to learn"),
        ({"text": None}, "empty text"),
        ({"text": ""}, "empty text"),
    ],
)
def test_rows_with_nothing_to_learn(columns: dict[str, Any], why: str) -> None:
    assert example_of(**columns) == LeftOut("here", why)
    if "instruction" in columns:
        assert example_of("chat", **columns) == LeftOut("here", why)


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({}, "the columns are none"),
        ({"label": 1}, "the columns are label"),
        ({"instruction": "a"}, "the columns are instruction"),
        ({"prompt": None, "completion": "b"}, "prompt must be text that is not empty"),
        ({"prompt": "", "completion": "b"}, "prompt must be text that is not empty"),
        ({"instruction": "", "output": "b"}, "instruction must be text that is not empty"),
        ({"instruction": "Add", "input": 12, "output": "7"}, "input is a number (12), not text"),
        ({"instruction": "Add", "input": "1", "output": 7}, "output is a number (7), not text"),
        ({"prompt": "a", "completion": True}, "completion is a truth value (True), not text"),
        ({"prompt": "a", "completion": [A]}, "completion is a list, not text"),
        ({"prompt": "a", "chosen": "b", "rejected": "c"}, "preference tuning"),
        ({"chosen": [U, A], "rejected": [U, A]}, "preference tuning"),
        ({"messages": "hello"}, "messages must be a list of turns"),
        ({"messages": {"role": "user"}}, "messages must be a list of turns"),
        ({"messages": ["hello"]}, "turn 1 of messages is not an object"),
        ({"messages": [None]}, "turn 1 of messages is not an object"),
        ({"messages": [{"role": "me", "content": "a"}]}, "turn 1 of messages has the role me"),
        ({"messages": [{"content": "a"}]}, "turn 1 of messages has the role None"),
        ({"messages": [{"role": ["user"], "content": "a"}]}, "turn 1 of messages has the role"),
        ({"messages": [U, A, {**U, "content": " "}, A]}, "turn 3 of messages (user) is empty"),
        (
            {"messages": [{**U, "content": 7}, A]},
            "the content of turn 1 of messages is a number (7)",
        ),
        (
            {"messages": [{**U, "content": {"a": 1}}, A]},
            "the content of turn 1 of messages is a dict",
        ),
        (
            {"messages": [{**U, "content": [{"type": "image_url", "image_url": "x"}]}, A]},
            "a part of type image_url",
        ),
        (
            {"messages": [{**U, "content": [{"type": "image"}, {"type": "text", "text": "a"}]}, A]},
            "a part of type image",
        ),
        ({"messages": [{**U, "content": [7]}, A]}, "a part of the content of turn 1"),
        ({"messages": [{**U, "content": [{"type": "text", "text": 7}]}, A]}, "is a number (7)"),
        ({"messages": [U, {**A, "weight": 0.5}]}, "weight of turn 2 of messages is 0.5"),
        ({"messages": [U, {**A, "train": "no"}]}, "train of turn 2 of messages is no"),
        (
            {"messages": [U, {**A, "when": datetime.date(2024, 7, 26)}]},
            "when of turn 2 of messages",
        ),
        ({"messages": [U, {**A, "tool_calls": "f(x)"}]}, "the tool calls of turn 2"),
        ({"messages": [U, {**A, "tool_calls": ["f"]}]}, "the tool calls of turn 2"),
        ({"messages": [U, {**A, "x": deep(10_000)}]}, "nested too deeply"),
        (
            {"conversations": share(("human", "a"), ("function_call", "f"))},
            "the tool calls of turn 2",
        ),
        ({"conversations": share(("human", "a"), ("function_call", "{}"))}, "names none"),
        ({"messages": [U, A], "tools": "f"}, "tools must be a list of objects"),
        ({"messages": [U, A], "tools": {"name": "f"}}, "tools must be a list of objects"),
        ({"messages": [U, A], "documents": ["d"]}, "documents must be a list of objects"),
        (
            {"messages": [U, A], "chat_template_kwargs": [1]},
            "chat_template_kwargs is not an object",
        ),
        (
            {"messages": [U, A], "chat_template_kwargs": {"messages": []}},
            "chat_template_kwargs has messages",
        ),
    ],
)
def test_a_row_that_cannot_be_understood_says_where_and_what(
    columns: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        example_of(**columns)
    assert caught.value.code == "data_invalid"
    assert caught.value.message.startswith("here: ")
    assert said in caught.value.message


@pytest.mark.parametrize(
    ("columns", "mapping"),
    [
        ({"question": "a", "answer": "b"}, "{prompt: question, completion: answer}"),
        ({"id": 1, "article": "a", "highlights": "b"}, "{prompt: article, completion: highlights}"),
        ({"prompt": "a", "response": "b"}, "{prompt: prompt, completion: response}"),
        ({"instruction": "a", "response": "b"}, "{prompt: instruction, completion: response}"),
        ({"a": 1, "b": 2}, "{prompt: QUESTION, completion: ANSWER}"),
        ({"prompt": "a", "chosen": "b", "rejected": "c"}, "{prompt: prompt, completion: chosen}"),
    ],
)
def test_the_error_shows_what_to_write(columns: dict[str, Any], mapping: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        example_of(**columns)
    assert f"data.columns: {mapping}" in caught.value.remedy


_NAMES = st.sampled_from(
    [
        "messages",
        "conversations",
        "prompt",
        "completion",
        "instruction",
        "input",
        "output",
        "text",
        "system",
        "tools",
        "documents",
        "chat_template_kwargs",
        "chosen",
        "rejected",
        "other",
    ]
)
_TURN_KEYS = st.sampled_from(
    [
        "role",
        "from",
        "content",
        "value",
        "tool_calls",
        "function_call",
        "weight",
        "train",
        "thinking",
        "name",
    ]
)
_WORDS = st.sampled_from(["user", "assistant", "gpt", "tool", "function_call", "", " ", "x", "[1]"])
_VALUES: Any = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 2) | st.floats() | _WORDS | st.binary(max_size=2),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(_TURN_KEYS, inner, max_size=4)
        | st.lists(st.fixed_dictionaries({"role": _WORDS, "content": inner}), max_size=3)
    ),
    max_leaves=12,
)


@given(st.dictionaries(_NAMES, _VALUES, max_size=4), st.sampled_from(["alpaca", "plain", "chat"]))
def test_any_row_is_an_example_or_left_out_or_named(columns: dict[str, Any], template: str) -> None:
    try:
        found = to_example(Row("here", columns), template)
        if not isinstance(found, LeftOut):
            samples(found, _TEMPLATE)
    except ConfigurationError as bad:
        assert bad.code in ("data_invalid", "chat_template_unfit")
        assert bad.message.startswith("here")


_TEMPLATE = ChatTemplate(
    "{% for m in messages %}{{ m.role }}{{ m.content + '' }}{{ m.tool_calls | tojson }}</s>"
    "{% endfor %}{% if add_generation_prompt %}assistant{% endif %}",
    {},
    ("</s>",),
)
