"""What is learned with every chat template that trl ships, in tests/golden/chat-templates.txt.

Each template of a model twice: as it is where trl is installed (its training template), and alone.
"""

import subprocess
import sys
from typing import Any

import pytest

from tests.support.clusters import ROOT
from tests.support.generated import Generated
from tests.training.texts.shipped_templates import SHAPES, SOURCES, special_tokens_of, stops_of
from training.contract.errors import ConfigurationError
from training.rows.row import Row
from training.texts.example import Chat, Sample
from training.texts.row_shapes import to_example
from training.texts.samples import samples
from training.texts.stops import last_stop
from training.texts.template import ChatTemplate, chat_template

pytestmark = [
    pytest.mark.skipif(not SOURCES, reason="trl, which has the templates, is not here"),
    pytest.mark.patient,
]

MODELS = [name for name in SOURCES if not name.endswith("_training")]
TRAINING = [name.removesuffix("_training") for name in SOURCES if name.endswith("_training")]


def template_of(name: str) -> ChatTemplate:
    found = chat_template(SOURCES[name], special_tokens_of(name), stops_of(name))
    assert found
    return found


def learned(template: ChatTemplate, columns: dict[str, Any]) -> tuple[Sample, ...]:
    example = to_example(Row("row", columns), "chat")
    assert isinstance(example, Chat)
    return samples(example, template)


def lines(name: str, template: ChatTemplate, columns: dict[str, Any]) -> list[str]:
    try:
        found = learned(template, columns)
    except ConfigurationError as refused:
        return [f"    refused: {refused.message}"]
    told = []
    for sample in found:
        told.append(f"    {sample.way}")
        for segment in sample.segments:
            if segment.in_loss:
                end = last_stop(segment.text, stops_of(name))
                told.append(f"      {segment.text!r} ends in {end}")
        if sample.unread:
            told.append(f"      unread: {', '.join(sorted(sample.unread))}")
    return told


def test_what_is_learned_with_each(generated: Generated) -> None:
    told = []
    for name in MODELS:
        found = template_of(name)
        assert bool(found.training) == (name in TRAINING)
        alone = ChatTemplate(found.source, found.special_tokens, found.stops)
        for shape, columns in SHAPES.items():
            told += [f"{name}, {shape}", *lines(name, found, columns)]
            if found.training:
                told += [f"{name}, {shape}, alone", *lines(name, alone, columns)]
    generated("tests/golden/chat-templates.txt", "\n".join(told) + "\n")


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", TRAINING)
def test_a_training_template_says_the_same_by_itself(name: str, shape: str) -> None:
    marks = template_of(f"{name}_training")
    paired = template_of(name)
    assert not marks.training
    told = [lines(name, template, SHAPES[shape]) for template in (marks, paired)]
    assert told[0] == [line.replace("    training template", "    marks") for line in told[1]]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", MODELS)
def test_no_key_of_a_turn_is_lost(name: str, shape: str) -> None:
    """What a turn says is in a text, or it is named."""
    template = template_of(name)
    try:
        found = learned(template, SHAPES[shape])
    except ConfigurationError:
        return  # named by the error, in the golden file
    text = "".join(segment.text for sample in found for segment in sample.segments)
    named = frozenset().union(*(sample.unread for sample in found))
    for turn in SHAPES[shape]["messages"]:
        for key, value in turn.items():
            said = value if isinstance(value, str) else "tide" if value else ""
            if key not in {"role", "name", "tool_call_id"} | named:  # these may only be looked up
                assert said in text, key


def test_they_are_read_without_trl_or_anything_that_it_imports() -> None:
    code = (
        "import sys\n"
        "from tests.training.texts.test_templates import SHAPES, learned, template_of\n"
        "assert learned(template_of('qwen3'), SHAPES['chat'])[0].way == 'training template'\n"
        "print(sorted({'trl', 'torch', 'transformers', 'datasets', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.stdout.strip(), done.stderr) == ("[]", "")
