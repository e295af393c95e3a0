"""Rows to examples, by the columns that they have.

Chat (`messages`, or `conversations`), `prompt` and `completion` (texts, or turns), alpaca
(`instruction`, `input`, `output`), and plain `text`. Names of other columns are not guessed: what a
column means is learned, and `data.columns` says it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from training.rows.row import Row
from training.texts.bad_row import bad_row, not_text
from training.texts.example import Chat, Example, LeftOut, Segment, Text, Turn
from training.texts.prompts import alpaca_prompt
from training.texts.tool_calls import from_json
from training.texts.turns import plain, says_nothing, turns_of

_SHAPES = (
    ("messages",),
    ("conversations",),
    ("prompt", "completion"),
    ("instruction", "output"),
    ("text",),
)
_QUESTIONS = (
    "prompt",
    "question",
    "query",
    "instruction",
    "problem",
    "input",
    "article",
    "document",
)
_ANSWERS = ("completion", "answer", "response", "output", "solution", "highlights", "summary")

_OURS = {"messages", "add_generation_prompt"}

_EMPTY = "empty answer"
_EMPTY_TEXT = "empty text"
_NO_ANSWER = "no answer to learn"


def to_example(row: Row, template: str) -> Example | LeftOut:
    """One row to one example; `template`: how instruction and input become a prompt.

    Raises `ConfigurationError` that names the row, for one that cannot be understood.
    """
    try:
        return _by_shape(row, template)
    except RecursionError:
        raise bad_row(row.where, "its values are nested too deeply") from None


def _by_shape(row: Row, template: str) -> Example | LeftOut:
    columns = row.columns
    match _shape(columns):
        case ("messages" | "conversations") as name:
            return _chat(row, name)
        case "prompt" if _is_turns(columns["prompt"]):
            return _asked_chat(row)
        case "prompt":
            return _asked(row, "prompt", "completion")
        case "instruction":
            return _alpaca(row, template)
        case "text":
            text = _text(row, "text")
            if not text.strip():
                return LeftOut(row.where, _EMPTY_TEXT)
            return Text(row.where, (Segment(text, in_loss=True),))
        case _:
            raise _unknown(row)


def _shape(columns: Mapping[str, Any]) -> str | None:
    """The first column of the first shape that is there whole, one that is filled before others:
    sets that mix shapes have all columns in every row."""
    whole = [names[0] for names in _SHAPES if all(name in columns for name in names)]
    filled = [name for name in whole if columns[name] is not None]
    return next(iter(filled or whole), None)


def _chat(row: Row, name: str) -> Chat | LeftOut:
    value = row.columns[name]
    if value is None:
        return LeftOut(row.where, _NO_ANSWER)
    turns, unlearned = turns_of(row.where, name, value)
    return _of_turns(row, turns, unlearned)


def _asked_chat(row: Row) -> Chat | LeftOut:
    """Turns that ask, and turns that answer: those of the prompt are not learned."""
    answer = row.columns["completion"]
    if answer is None or answer == []:
        return LeftOut(row.where, _EMPTY)
    if isinstance(answer, str):
        answer = [{"role": "assistant", "content": answer}]
    asked, _ = turns_of(row.where, "prompt", row.columns["prompt"])
    answered, unlearned = turns_of(row.where, "completion", answer)
    given = range(len(asked))
    return _of_turns(
        row, (*asked, *answered), frozenset((*given, *(len(asked) + turn for turn in unlearned)))
    )


def _of_turns(row: Row, turns: tuple[Turn, ...], unlearned: frozenset[int]) -> Chat | LeftOut:
    """The conversation with what stands beside it, or why nothing of it can be learned."""
    system = row.columns.get("system")
    if isinstance(system, str) and system.strip() and turns and turns[0]["role"] != "system":
        turns = ({"role": "system", "content": system}, *turns)
        unlearned = frozenset(turn + 1 for turn in unlearned)
    asking = (place for place, turn in enumerate(turns) if turn["role"] != "assistant")
    unlearned |= frozenset(range(next(asking, len(turns))))  # nothing asks for these
    chat = Chat(row.where, turns, _context(row), unlearned & _answers(turns))
    if any(says_nothing(turn) for turn in turns):
        return LeftOut(row.where, _EMPTY)
    return chat if chat.answers else LeftOut(row.where, _NO_ANSWER)


def _answers(turns: Sequence[Turn]) -> frozenset[int]:
    return frozenset(place for place, turn in enumerate(turns) if turn["role"] == "assistant")


def _context(row: Row) -> dict[str, Any]:
    """What a template may read beside the turns."""
    given = {
        name: found
        for name in ("tools", "documents")
        if (found := _objects(row.where, name, row.columns.get(name)))
    }
    functions = _objects(row.where, "functions", row.columns.get("functions"))
    if functions and "tools" not in given:  # OpenAI's former name
        given["tools"] = [{"type": "function", "function": function} for function in functions]
    settings = from_json(row.columns.get("chat_template_kwargs"))
    if settings and not isinstance(settings, Mapping):
        raise bad_row(row.where, "chat_template_kwargs is not an object")
    if given_twice := _OURS & set(settings or ()):
        raise bad_row(row.where, f"chat_template_kwargs has {', '.join(sorted(given_twice))}")
    return {**given, **plain(row.where, "chat_template_kwargs", settings or {})}


def _objects(where: str, name: str, value: Any) -> list[Any]:
    """A list of objects, of which all or each may be JSON in a string; none there is empty."""
    found = plain(where, name, from_json(value) or [])
    found = [from_json(item) for item in found] if isinstance(found, list) else None
    if found is None or not all(isinstance(item, dict) for item in found):
        raise bad_row(where, f"{name} must be a list of objects")
    return found


def _alpaca(row: Row, template: str) -> Example | LeftOut:
    given = "" if row.columns.get("input") is None else _text(row, "input")
    if template != "chat":
        instruction = _filled(row, "instruction")
        return _asked(row, "instruction", "output", alpaca_prompt(instruction, given, template))
    asked = "\n".join(text for text in (_filled(row, "instruction"), given) if text)
    answer = _text(row, "output")
    turns = ({"role": "user", "content": asked}, {"role": "assistant", "content": answer})
    return _of_turns(row, turns, frozenset())


def _asked(row: Row, question: str, answer: str, prompt: str = "") -> Text | LeftOut:
    """A question and its answer, both texts; `prompt`: how the question is put."""
    prompt = prompt or _filled(row, question)
    completion = _text(row, answer)
    if not completion.strip():
        return LeftOut(row.where, _EMPTY)
    return Text(row.where, (Segment(prompt, in_loss=False), Segment(completion, in_loss=True)))


def _filled(row: Row, name: str) -> str:
    text = _text(row, name)
    if not text:
        raise bad_row(row.where, f"{name} must be text that is not empty")
    return text


def _text(row: Row, name: str) -> str:
    """The text of this column; null is empty."""
    value = row.columns[name]
    if value is not None and not isinstance(value, str):
        raise not_text(row.where, name, value)
    return value or ""


def _is_turns(value: Any) -> bool:
    return isinstance(value, list | tuple)


def _unknown(row: Row) -> Exception:
    names = list(row.columns)
    if {"chosen", "rejected"} <= set(names):
        return bad_row(
            row.where,
            "chosen and rejected are pairs for preference tuning, which sparkctl does not have yet",
            "To learn the chosen answers alone, name them: `data.columns: {prompt: prompt, "
            "completion: chosen}`, or `{messages: chosen}` where chosen holds the whole turns.",
        )
    question = next((name for name in _QUESTIONS if name in names), "QUESTION")
    answer = next((name for name in _ANSWERS if name in names and name != question), "ANSWER")
    return bad_row(
        row.where,
        f"the columns are {', '.join(map(str, names)) or 'none'}. A row needs messages, or prompt "
        "and completion, or instruction, input (optional) and output, or text",
        "Say which column is which, such as `data.columns: "
        f"{{prompt: {question}, completion: {answer}}}`.",
    )
