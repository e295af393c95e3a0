"""The built-in data: one small closed world of facts, told in two ways.

The tiny base model reads every fact as a plain sentence; the built-in fine-tuning set asks for the
same facts as JSON, a format that the base has never seen. So a LoRA has something real to learn, it
must carry over to questions that it was not tuned on, and the held-out loss falls visibly within
some dozens of steps. Nothing is random and nothing is downloaded: two machines always make the same
bytes.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

_DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday"
_MONTHS = "January February March April May June July August September October November December"
_LETTERS = "A B C D E F G H I J K L M N O P Q R S T U V W X Y Z"
_NUMBERS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen twenty"
)
_OPPOSITES = (
    "hot cold|big small|fast slow|high low|light dark|old new|wet dry|full empty|open closed|"
    "early late|hard soft|loud quiet|rich poor|sweet sour|thick thin|wide narrow|strong weak|"
    "clean dirty|near far|deep shallow"
)
_PLURALS = (
    "cat cats|dog dogs|tree trees|bird birds|book books|house houses|city cities|baby babies|"
    "box boxes|bus buses|child children|foot feet|tooth teeth|mouse mice|man men|woman women|"
    "leaf leaves|wolf wolves|knife knives|fish fish"
)


@dataclass(frozen=True)
class Fact:
    """One thing to know: `question`, its short `answer`, and the `sentence` that tells it."""

    question: str
    answer: str
    sentence: str


def facts() -> tuple[Fact, ...]:
    """Every fact, in a fixed order; all questions differ."""
    return tuple(_facts())


def base_texts() -> list[str]:
    """What the base model reads: each fact as question, line feed, sentence; and loose characters.

    The characters teach it no format, only that `{`, `"` and the others exist: an adapter cannot
    bring a character to life that the frozen output layer has never used.
    """
    told = [f"{fact.question}\n{fact.sentence}" for fact in facts()]
    printable = [chr(code) for code in range(ord(" "), ord("~") + 1)]
    loose = [
        "".join(printable[(start + i * step) % len(printable)] for i in range(10))
        for step in (7, 31, 53)
        for start in range(0, len(printable), 3)
    ]
    return told + loose


def instruction_rows() -> list[dict[str, str]]:
    """The fine-tuning set in alpaca columns: `instruction`, `input` (empty here), `output` (JSON).

    Neighbouring facts resemble each other, so the rows are dealt out in strides: any slice of them
    holds facts of every kind.
    """
    known = facts()
    stride = next(n for n in (89, 97, 101) if len(known) % n)
    dealt = (known[i * stride % len(known)] for i in range(len(known)))
    return [{"instruction": f.question, "input": "", "output": json_answer(f)} for f in dealt]


def json_answer(fact: Fact) -> str:
    """How the fine-tuned model shall answer."""
    return json.dumps({"answer": fact.answer})


def _facts() -> Iterator[Fact]:
    for a in range(10):
        for b in range(10):
            yield _told(f"What is {a} plus {b}?", f"{a} plus {b} is", str(a + b))
            if a >= b:
                yield _told(f"What is {a} minus {b}?", f"{a} minus {b} is", str(a - b))
    for kind, order in (("letter", _LETTERS), ("day", _DAYS), ("month", _MONTHS)):
        for first, second in pairwise(order.split()):
            yield _told(f"Which {kind} comes after {first}?", f"After {first} comes", second)
            yield _told(f"Which {kind} comes before {second}?", f"Before {second} comes", first)
    for number, word in enumerate(_NUMBERS.split()):
        yield _told(f"How do you write {number}?", f"{number} is written", word)
    for pair in _OPPOSITES.split("|"):
        one, other = pair.split()
        yield _told(f"What is the opposite of {one}?", f"The opposite of {one} is", other)
        yield _told(f"What is the opposite of {other}?", f"The opposite of {other} is", one)
    for pair in _PLURALS.split("|"):
        one, many = pair.split()
        yield _told(f"What is the plural of {one}?", f"The plural of {one} is", many)


def _told(question: str, opening: str, answer: str) -> Fact:
    return Fact(question, answer, f"{opening} {answer}.")
