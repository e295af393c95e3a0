"""Examples to tokens: which the loss counts, checked against labels written by hand."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.tokens import sequences_of, tokens_of
from training.contract.config import Data
from training.contract.errors import ConfigurationError
from training.rows.row import Row
from training.texts.example import Chat, Segment, Text

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]

NO = -100
TEMPLATE = (
    "{% for m in messages %}<s>{{ m.role }}\n{{ m.content }}</s>{% endfor %}"
    "{% if add_generation_prompt %}<s>assistant\n{% endif %}"
)
TALK = Chat(
    "mine.jsonl:7",
    (
        {"role": "system", "content": "be"},
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "b"},
        {"role": "user", "content": "c"},
        {"role": "assistant", "content": "d"},
        {"role": "user", "content": "thanks"},
    ),
)


@pytest.fixture
def tokenizer() -> Any:
    """Makes one token of every character here but for words of the tiny world."""
    from training.builtin.tiny import make_tokenizer

    return make_tokenizer()


def test_only_the_completion_is_learned_and_its_end(tokenizer: Any) -> None:
    tokens = _tokens(_asked("3 ", "4"), tokenizer)
    three, space, four, end = tokens.input_ids
    assert tokenizer.decode([three, space, four]) == "3 4"
    assert end == tokenizer.eos_token_id
    assert tokens.labels == [NO, NO, four, end]


def test_of_a_plain_text_all_is_learned(tokenizer: Any) -> None:
    tokens = _tokens(Text("here", (Segment("3 4", in_loss=True),)), tokenizer)
    assert tokens.labels == tokens.input_ids
    assert tokens.input_ids[-1] == tokenizer.eos_token_id


def test_a_token_of_prompt_and_completion_is_learned(tokenizer: Any) -> None:
    word = tokenizer("What")["input_ids"]
    assert len(word) == 1
    assert _tokens(_asked("Wh", "at"), tokenizer).labels == [*word, tokenizer.eos_token_id]


def test_an_end_that_is_there_is_not_doubled(tokenizer: Any) -> None:
    once = _tokens(_asked("3", "4"), tokenizer)
    assert _tokens(_asked("3", "4</s>"), tokenizer) == once


def test_a_mark_of_the_beginning_is_written_once(tokenizer: Any) -> None:
    """By the tokenizer for a text, by the template for a chat."""
    from tokenizers.processors import TemplateProcessing

    begin = tokenizer.bos_token_id
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", begin)]
    )
    tokenizer.chat_template = TEMPLATE
    text = _tokens(_asked("3", "4"), tokenizer)
    assert text.input_ids[0] == begin
    assert text.labels[:2] == [NO, NO]
    assert _tokens(TALK, tokenizer).input_ids.count(begin) == 5


def test_the_masks_are_those_of_trl(tokenizer: Any, tmp_path: Path) -> None:
    from datasets import Dataset
    from transformers import LlamaConfig, LlamaForCausalLM
    from trl import SFTConfig, SFTTrainer

    from tests.support.examples import read_examples

    shape = LlamaConfig(
        vocab_size=512, hidden_size=8, intermediate_size=8, num_hidden_layers=1,
        num_attention_heads=1,
    )  # fmt: skip
    held_out = read_examples(Data(name="builtin:instructions")).held_out
    rows = [dict(zip(("prompt", "completion"), _texts(e), strict=True)) for e in held_out]
    theirs = SFTTrainer(
        model=LlamaForCausalLM(shape),
        args=SFTConfig(str(tmp_path), use_cpu=True, bf16=False, max_length=200, report_to=[]),
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer,
    ).train_dataset
    ours = [_tokens(example, tokenizer) for example in held_out]
    assert [t.input_ids for t in ours] == theirs["input_ids"]
    assert [t.labels for t in ours] == theirs["labels"]


def test_every_answer_of_a_chat_is_learned_with_its_end(tokenizer: Any) -> None:
    tokenizer.chat_template = TEMPLATE
    tokens = _tokens(TALK, tokenizer)
    told = tokenizer.decode(tokens.input_ids)
    assert (
        told
        == "<s>system\nbe</s><s>user\na</s><s>assistant\nb</s><s>user\nc</s><s>assistant\nd</s>"
    )
    assert told == tokenizer.apply_chat_template(list(TALK.turns[:-1]), tokenize=False)
    b, d, end = *tokenizer("bd")["input_ids"], tokenizer.eos_token_id
    learned = [(i, label) for i, label in enumerate(tokens.labels) if label != NO]
    assert [label for _, label in learned] == [b, end, d, end]
    assert all(tokens.input_ids[i] == label for i, label in learned)


def test_a_chat_needs_a_template(tokenizer: Any) -> None:
    tokenizer.chat_template = None
    with pytest.raises(ConfigurationError, match=r"mine\.jsonl:7") as caught:
        _tokens(TALK, tokenizer)
    assert caught.value.code == "chat_template_missing"


def test_a_template_that_rewrites_earlier_turns_is_refused(tokenizer: Any) -> None:
    tokenizer.chat_template = "{{ messages | length }}" + TEMPLATE
    with pytest.raises(ConfigurationError, match=r"mine\.jsonl:7") as caught:
        _tokens(TALK, tokenizer)
    assert caught.value.code == "chat_template_unfit"


def test_a_row_that_the_template_refuses_is_named(tokenizer: Any) -> None:
    tokenizer.chat_template = "{{ raise_exception('no system turn') }}"
    with pytest.raises(ConfigurationError, match=r"mine\.jsonl:7.*no system turn"):
        _tokens(TALK, tokenizer)


def test_the_date_in_a_template_does_not_come_from_the_clock(tokenizer: Any) -> None:
    """As in the template of Llama 3.2."""
    tokenizer.chat_template = (
        "{% if not date_string is defined %}{% set date_string = strftime_now('%d %b %Y') %}"
        "{% endif %}{{ date_string }}" + TEMPLATE
    )
    assert tokenizer.decode(_tokens(TALK, tokenizer).input_ids).startswith("26 Jul 2024<s>")


def test_a_template_of_your_own(tokenizer: Any, tmp_path: Path) -> None:
    from training.data.tokenizer import encoder_of, tokenizer_of

    file = tmp_path / "chat.jinja"
    data = Data.model_validate({"name": "/x.jsonl", "chat_template": str(file), "held_out_rows": 1})
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(ConfigurationError, match=r"chat\.jinja"):
        tokenizer_of(tmp_path, data.chat_template)
    file.write_text(TEMPLATE)
    tokenizer = tokenizer_of(tmp_path, data.chat_template)
    rows = [Row("mine.jsonl:7", {"messages": list(TALK.turns)})] * 2
    (tokens,) = sequences_of(data, encoder_of(tokenizer), rows=rows).train
    assert tokens == _tokens(TALK, tokenizer)


def test_columns_of_a_row_come_out_as_tokens(tokenizer: Any, tmp_path: Path) -> None:
    from training.data.tokenizer import encoder_of

    file = tmp_path / "mine.jsonl"
    row = json.dumps({"instruction": "3", "output": "4"})
    file.write_text(f"{row}\n{row}\n")
    tokenizer.chat_template = TEMPLATE
    data = Data(name=str(file), held_out_rows=1, template="chat")
    (tokens,) = sequences_of(data, encoder_of(tokenizer)).train
    assert tokenizer.decode(tokens.input_ids) == "<s>user\n3</s><s>assistant\n4</s>"
    assert tokens.labels[-2:] == tokens.input_ids[-2:]
    assert set(tokens.labels[:-2]) == {NO}


def _asked(prompt: str, completion: str, where: str = "here") -> Text:
    return Text(where, (Segment(prompt, in_loss=False), Segment(completion, in_loss=True)))


def _texts(example: Any) -> list[str]:
    return [segment.text for segment in example.segments]


def _tokens(example: Any, tokenizer: Any) -> Any:
    from training.data.tokenizer import encoder_of

    (tokens,) = tokens_of(example, encoder_of(tokenizer))
    return tokens
