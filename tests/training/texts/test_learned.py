"""What is learned of a conversation: by small templates, each of which does one thing."""

import pickle
from typing import Any

import pytest

from training.contract.errors import ConfigurationError
from training.rows.row import Row
from training.texts import template as template_module
from training.texts.example import Chat, LeftOut, Sample, Text
from training.texts.row_shapes import to_example
from training.texts.samples import samples
from training.texts.script import Script
from training.texts.template import ChatTemplate, chat_template

U, A = {"role": "user", "content": "u"}, {"role": "assistant", "content": "a"}
U2, A2 = {"role": "user", "content": "v"}, {"role": "assistant", "content": "b"}
ALL = [U, A, U2, A2]
CALL = {"type": "function", "function": {"name": "tide", "arguments": {"x": "é"}}}
CALLED = {"role": "assistant", "tool_calls": [CALL]}
TOLD = {"role": "tool", "tool_call_id": "k", "content": "t"}
SPECIAL = {"bos_token": "<s>", "eos_token": "</s>"}

ASK = "{% if add_generation_prompt %}[assistant]{% endif %}"
ADDS = "{% for m in messages %}[{{ m.role }}]{{ m.content }}</s>{% endfor %}" + ASK
MARKS = (
    "{% for m in messages %}[{{ m.role }}]{% if m.role == 'assistant' %}"
    "{% generation %}{{ m.content }}</s>{% endgeneration %}"
    "{% else %}{{ m.content }}{% endif %};{% endfor %}" + ASK
)
SHORTENS = (
    "{% for m in messages %}[{{ m.role }}]{% if m.thinking and loop.last %}({{ m.thinking }})"
    "{% endif %}{{ m.content }}</s>{% endfor %}" + ASK
)
SHORTENS_MARKED = (
    "{% for m in messages %}[{{ m.role }}]{% if m.role == 'assistant' %}{% generation %}"
    "{% if m.thinking and loop.last %}({{ m.thinking }}){% endif %}"
    "{{ m.content }}{{ '</s>' if loop.last else '<end>' }}{% endgeneration %}"
    "{% else %}{{ m.content }}{% endif %}{% endfor %}" + ASK
)
OPENS = (
    "{% for m in messages %}[{{ m.role }}]{{ m.content.split('</think>')[-1] }}</s>{% endfor %}"
    "{% if add_generation_prompt %}[assistant]<think>\n{% endif %}"
)
TEXT_CALLS = (
    "{% for m in messages %}[{{ m.role }}]{% if m.tool_calls %}{% for c in m.tool_calls %}"
    "{{ c.function.name + c.function.arguments }}{% endfor %}{% else %}{{ m.content }}{% endif %}"
    "</s>{% endfor %}" + ASK
)
NULL_CALLS = (
    "{% for m in messages %}[{{ m.role }}]{% if m['content'] is none %}"
    "{{ m.tool_calls[0].function.name }}{% else %}{{ '' + m['content'] }}{% endif %}</s>"
    "{% endfor %}" + ASK
)
PARTS = (
    "{% for m in messages %}[{{ m.role }}]{% for part in m.content %}{% if part.type == 'text' %}"
    "{{ part.text }}{% endif %}{% endfor %}</s>{% endfor %}" + ASK
)
BOTH = (
    "{% for m in messages %}[{{ m.role }}]{% if m.content is string %}{{ m.content }}{% else %}"
    "{% for part in m.content %}{{ part.text | trim }}{% endfor %}{% endif %}</s>{% endfor %}" + ASK
)


@pytest.fixture
def no_training_templates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(template_module, "training_template", lambda _: None)


def template_of(source: Any, stops: tuple[str, ...] = ("</s>",)) -> ChatTemplate:
    found = chat_template(source, SPECIAL, stops)
    assert found is not None
    return found


def samples_of(source: Any, turns: list[Any], **columns: Any) -> tuple[Sample, ...]:
    example = to_example(Row("here", {"messages": turns, **columns}), "chat")
    assert not isinstance(example, LeftOut)
    return samples(example, template_of(source))


def shown(sample: Sample) -> str:
    """The text, what is learned in braces."""
    return "".join("{" + s.text + "}" if s.in_loss else s.text for s in sample.segments)


@pytest.mark.parametrize(
    ("source", "turns", "way", "texts"),
    [
        (ADDS, ALL, "added", ["[user]u</s>[assistant]{a</s>}[user]v</s>[assistant]{b</s>}"]),
        (ADDS, [U, A, U2], "added", ["[user]u</s>[assistant]{a</s>}"]),
        (ADDS, [U, A, A2], "added", ["[user]u</s>[assistant]{a</s>}[assistant]{b</s>}"]),
        (
            ADDS,
            [U, {**A, "train": False}, U2, A2],
            "added",
            ["[user]u</s>[assistant]a</s>[user]v</s>[assistant]{b</s>}"],
        ),
        (MARKS, ALL, "marks", ["[user]u;[assistant]{a</s>};[user]v;[assistant]{b</s>};"]),
        (
            MARKS,
            [U, {**A, "weight": 0}, U2, A2],
            "marks",
            ["[user]u;[assistant]a</s>;[user]v;[assistant]{b</s>};"],
        ),
        (
            MARKS,
            [U, A, U2, {**A2, "weight": 0}, U, A],
            "marks",
            [
                "[user]u;[assistant]{a</s>};",
                "[user]u;[assistant]a</s>;[user]v;[assistant]b</s>;[user]u;[assistant]{a</s>};",
            ],
        ),
        (
            SHORTENS,
            [U, {**A, "thinking": "h"}, U2, A2],
            "one by one",
            [
                "[user]u</s>[assistant]{(h)a</s>}",
                "[user]u</s>[assistant]a</s>[user]v</s>[assistant]{b</s>}",
            ],
        ),
        (
            SHORTENS_MARKED,
            [U, {**A, "thinking": "h"}, U2, A2],
            "marks",
            ["[user]u[assistant]{(h)a</s>}", "[user]u[assistant]a<end>[user]v[assistant]{b</s>}"],
        ),
        (
            SHORTENS_MARKED,
            [U, {**A, "thinking": "h"}],
            "marks",
            ["[user]u[assistant]{(h)a</s>}"],
        ),
        (
            OPENS,
            [U, {**A, "content": "<think>\nh\n</think>a"}],
            "one by one",
            ["[user]u</s>[assistant]<think>\n{h\n</think>a</s>}"],
        ),
        (
            OPENS,
            [U, {**A, "content": " <think>h</think>a"}, U2, {**A2, "content": "<think></think>b"}],
            "one by one",
            [
                "[user]u</s>[assistant]<think>\n{h</think>a</s>}",
                "[user]u</s>[assistant]a</s>[user]v</s>[assistant]<think>\n{</think>b</s>}",
            ],
        ),
        (
            TEXT_CALLS,
            [U, CALLED, TOLD, A],
            "added",
            ['[user]u</s>[assistant]{tide{"x": "é"}</s>}[tool]t</s>[assistant]{a</s>}'],
        ),
        (
            NULL_CALLS,
            [U, CALLED, TOLD, A],
            "added",
            ["[user]u</s>[assistant]{tide</s>}[tool]t</s>[assistant]{a</s>}"],
        ),
        (PARTS, [U, A], "added", ["[user]u</s>[assistant]{a</s>}"]),
    ],
)
def test_what_is_learned(source: str, turns: list[Any], way: str, texts: list[str]) -> None:
    found = samples_of(source, turns)
    assert [shown(sample) for sample in found] == texts
    assert {sample.way for sample in found} == {way}
    assert all(sample.marked and sample.where == "here" for sample in found)


@pytest.mark.parametrize(
    ("source", "text"),
    [(ADDS, "[user] x y</s>"), (PARTS, "[user] x y</s>"), (BOTH, "[user]xy</s>")],
)
def test_parts_of_a_content_are_given_as_the_template_takes_them(source: str, text: str) -> None:
    parts = [{"type": "text", "text": " x"}, {"type": "text", "text": " y"}]
    (sample,) = samples_of(source, [{**U, "content": parts}, A])
    assert sample.segments[0].text.startswith(text)


def test_a_training_template_writes_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(template_module, "training_template", {ADDS: MARKS}.get)
    (sample,) = samples_of(ADDS, ALL)
    assert sample.way == "training template"
    assert shown(sample) == "[user]u;[assistant]{a</s>};[user]v;[assistant]{b</s>};"


def test_rows_with_tools_are_written_by_the_template_for_tools() -> None:
    both = {"default": ADDS, "tool_use": "{{ tools[0].name }}" + ADDS, "rag": "{{ 1 / 0 }}"}
    (plain,) = samples_of(both, [U, A])
    (tooled,) = samples_of(both, [U, A], tools=[{"name": "tide"}])
    assert shown(tooled) == "tide" + shown(plain)
    assert chat_template({"rag": ADDS}, SPECIAL) is None


@pytest.mark.parametrize(
    ("source", "turns", "columns", "unread"),
    [
        (ADDS, ALL, {}, set()),
        (
            ADDS,
            [{**U, "name": "n"}, {**A, "thinking": "h", "empty": None}],
            {},
            {"name", "thinking"},
        ),
        (ADDS, [U, {**A, "tool_calls": [CALL]}], {"tools": [CALL]}, {"tool_calls", "tools"}),
        (ADDS, [U, A], {"chat_template_kwargs": {"deep": True}}, {"deep"}),
        (SHORTENS, [U, {**A, "reasoning": "h"}], {}, set()),
        (SHORTENS, [U, {**A, "thinking": "h"}, U2, A2], {}, set()),
        (
            TEXT_CALLS,
            [U, {**A, "tool_calls": [CALL]}, TOLD, A2],
            {},
            {"tool_call_id", "content (assistant)"},
        ),
        (
            ADDS.replace("m.content", "m.content.split('</think>')[-1]"),
            [U, {**A, "content": "<think>h</think>a"}],
            {},
            {"<think>"},
        ),
        (
            "{% for m in messages if m.role != 'tool' %}[{{ m.role }}]{{ m.content }}</s>"
            "{% endfor %}" + ASK,
            [U, A, TOLD, A2],
            {},
            {"content (tool)", "tool_call_id"},
        ),
        (
            ADDS.replace("m.content", "m.content | tojson"),
            [{**U, "content": 'say "é"\n'}, A],
            {},
            set(),
        ),
        (
            "{% for m in messages %}{{ m | tojson }}</s>{% endfor %}",
            [{**U, "name": "n"}, A],
            {},
            set(),
        ),
    ],
)
def test_what_nobody_reads_is_named(
    source: str, turns: list[Any], columns: dict[str, Any], unread: set[str]
) -> None:
    found = samples_of(source, turns, **columns)
    assert frozenset().union(*(sample.unread for sample in found)) == unread


@pytest.mark.parametrize(
    ("source", "turns", "code", "said"),
    [
        (
            ADDS.replace("</s>", "<end>"),
            [U, A],
            "chat_template_unfit",
            "ends an answer with 'a<end>'",
        ),
        (
            MARKS.replace("</s>{% endgeneration %}", "{% endgeneration %}</s>"),
            [U, A],
            "chat_template_unfit",
            "ends an answer with 'a'",
        ),
        (ADDS, [U, CALLED], "data_invalid", "writes nothing of an answer"),
        (MARKS, [U, CALLED, TOLD, A], "data_invalid", "writes nothing of an answer"),
        (
            ADDS.replace("{{ m.content }}", ""),
            [U, A],
            "data_invalid",
            "writes nothing of an answer",
        ),
        (
            MARKS.replace("m.role == 'assistant'", "m.role == 'me'"),
            [U, A],
            "data_invalid",
            "writes nothing of an answer",
        ),
        (
            OPENS,
            [U, A],
            "chat_template_unfit",
            "begins answers with '<think>\\n', which this answer",
        ),
        ("{{ messages | length }}" + ADDS, ALL, "chat_template_unfit", "cannot be derived"),
        (
            "{{ messages | length }}" + MARKS,
            [U, {**A, "weight": 0}, U, A],
            "chat_template_unfit",
            "do not tell which answer",
        ),
        ("{{ raise_exception('no\\nsystem') }}", [U, A], "data_invalid", "refuses it: no"),
        (
            "{{ messages[0].content + 1 }}",
            [U, A],
            "data_invalid",
            "fails on it: can only concatenate",
        ),
        ("{{ messages[9].content }}", [U, A], "data_invalid", "(UndefinedError)"),
        (
            "{{ messages[0].nothing.more }}",
            [U, A],
            "data_invalid",
            "a turn has no attribute 'nothing'",
        ),
        ("{{ messages[0] + 'x' }}", [U, A], "data_invalid", "(TypeError)"),
        (
            "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
            [U, A],
            "data_invalid",
            "(RecursionError)",
        ),
        (
            (
                "{% macro f() %}{% generation %}a</s>{% endgeneration %}{% endmacro %}"
                "{% set y = f() %}x{{ y }}"
            ),
            [U, A],
            "data_invalid",
            "inside a macro",
        ),
    ],
)
def test_what_cannot_be_learned_is_refused_by_name(
    source: str, turns: list[Any], code: str, said: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        samples_of(source, turns)
    assert caught.value.code == code
    assert caught.value.message.startswith("here: ")
    assert said in caught.value.message


@pytest.mark.parametrize(
    "source",
    ["{% if %}", "{{ 'a", "{% generation %}", "{% include 'x' %}{% frob %}", "{{ a | frob }}"],
)
def test_a_template_that_is_none_is_refused_before_any_row(source: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read") as caught:
        chat_template(source, SPECIAL)
    assert caught.value.code == "chat_template_unfit"


def test_half_of_a_character_is_refused() -> None:
    for columns in ({"text": "a\ud83d"}, {"messages": [{**U, "content": "a\ud83d"}, A]}):
        example = to_example(Row("here", columns), "chat")
        assert isinstance(example, Text | Chat)
        with pytest.raises(ConfigurationError, match=r"here: .*half of a character"):
            samples(example, template_of(ADDS))


def test_all_of_it_goes_to_another_process_after_use() -> None:
    used = template_of({"default": ADDS, "tool_use": MARKS})
    example = to_example(Row("here", {"messages": ALL, "tools": [CALL]}), "chat")
    assert isinstance(example, Chat)
    found = samples(example, used)
    there = pickle.loads(pickle.dumps((example, used, found)))
    assert there == (example, used, found)
    assert samples(there[0], there[1]) == found


def test_turns_that_no_form_fits_leave_the_forms_as_they_are() -> None:
    """A template may refuse the first turns alone, and take the whole in the first form."""
    source = "{% if messages | length < 2 %}{{ raise_exception('no') }}{% endif %}"
    source += "{{ messages[1].tool_calls | tojson }}"
    chat = Chat("here", ({"role": "system", "content": "s"}, {"content": None, **CALLED}))
    script = Script(chat, template_of(source))
    whole = script.write(2)
    with pytest.raises(ConfigurationError, match="refuses it: no"):
        script.write(1)
    assert script.write(2) == whole
