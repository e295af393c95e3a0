"""What a base's tokenizer lacks is taken from elsewhere, or refused by name."""

import json
from pathlib import Path
from typing import Any

import pytest

from training.contract.errors import ConfigurationError
from training.texts.example import Sample, Segment
from training.tokens.tokens import to_tokens

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]

WORDS = ["<pad>", "<s>", "</s>", "a", "b", "<end>", "<image>"]
SPECIAL = {"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>"}


def write(folder: Path, *, special: dict[str, str], rows: int = 7, **files: object) -> Path:
    """Tokens 0 to 4 are words; `<end>` and `<image>` are added after them."""
    from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS[:5])}, "a"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    words.add_special_tokens([AddedToken(word, special=True) for word in WORDS])
    words.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", 1)]
    )
    PreTrainedTokenizerFast(tokenizer_object=words, **special).save_pretrained(folder)
    (folder / "config.json").write_text(json.dumps({"text_config": {"vocab_size": rows}}))
    for name, settings in files.items():
        (folder / f"{name}.json").write_text(json.dumps(settings))
    return folder


def encoder_in(folder: Path) -> Any:
    from training.data.tokenizer import encoder_of, tokenizer_of

    return encoder_of(tokenizer_of(folder, None), folder)


@pytest.mark.parametrize(
    ("special", "generation", "stops", "end"),
    [
        (SPECIAL, {}, ("</s>",), 2),
        (SPECIAL, {"eos_token_id": 5}, ("</s>", "<end>"), 2),
        (SPECIAL, {"eos_token_id": [2, 5, 5]}, ("</s>", "<end>"), 2),
        ({"bos_token": "<s>"}, {"eos_token_id": [5, 2]}, ("<end>", "</s>"), 5),
        (SPECIAL, {"eos_token_id": [999, -1, True, "x", None]}, ("</s>",), 2),
        (SPECIAL, {"eos_token_id": "5"}, ("</s>",), 2),
    ],
)
def test_the_model_stops_at_these(
    special: dict[str, str], generation: dict[str, Any], stops: tuple[str, ...], end: int,
    tmp_path: Path,
) -> None:  # fmt: skip
    folder = write(tmp_path, special=special, generation_config=generation)
    (folder / "chat_template.jinja").write_text("{{ messages[0].content }}")
    encoder = encoder_in(folder)
    assert encoder.template.stops == stops
    assert encoder.end == end


@pytest.mark.parametrize(
    ("special", "rows", "generation", "said"),
    [
        ({"bos_token": "<s>"}, 7, {}, "no eos_token"),
        (SPECIAL, 4, {}, "last token of the tokenizer is number 4"),
        (SPECIAL | {"pad_token": "<end>"}, 5, {}, "pad_token of the tokenizer is number 5"),
        ({}, 5, {"eos_token_id": 5}, "eos_token of the tokenizer is number 5"),
    ],
)
def test_what_is_unfit_is_named(
    special: dict[str, str], rows: int, generation: dict[str, Any], said: str, tmp_path: Path
) -> None:
    write(tmp_path, special=special, rows=rows, generation_config=generation)
    with pytest.raises(ConfigurationError, match=said) as caught:
        encoder_in(tmp_path)
    assert caught.value.code == "tokenizer_unfit"


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    write(tmp_path, special=SPECIAL)
    (tmp_path / "chat_template.jinja").write_text("one")
    (tmp_path / "generation_config.json").write_text("{")
    with pytest.raises(ConfigurationError, match=r"generation_config\.json: ") as caught:
        encoder_in(tmp_path)
    assert caught.value.code == "tokenizer_unfit"


@pytest.mark.parametrize(
    ("text", "ids"),
    [("a b", [1, 3, 4, 2]), ("<s> a", [1, 3, 2]), ("<s> <s> a", [1, 1, 3, 2]), ("", [1, 2])],
)
def test_a_text_begins_once(text: str, ids: list[int], tmp_path: Path) -> None:
    encoder = encoder_in(write(tmp_path, special=SPECIAL))
    (encoded,) = encoder.encode([Sample("here", (Segment(text, in_loss=True),), marked=False)])
    assert to_tokens(encoded.words).input_ids == ids


def test_a_token_without_an_embedding_is_refused_where_it_stands(tmp_path: Path) -> None:
    encoder = encoder_in(write(tmp_path, special=SPECIAL, rows=6))
    fine, beyond = (
        Sample(f"mine.jsonl:{line}", (Segment(text, in_loss=True),), marked=False)
        for line, text in enumerate(["a <end>", "a <image>"], start=1)
    )
    assert to_tokens(encoder.encode([fine])[0].words).input_ids == [1, 3, 5, 2]
    with pytest.raises(ConfigurationError, match=r"mine\.jsonl:2: it has the token <image>"):
        encoder.encode([beyond])


def test_templates_by_name(tmp_path: Path) -> None:
    folder = write(tmp_path, special=SPECIAL)
    (folder / "chat_template.jinja").write_text("one")
    (folder / "additional_chat_templates").mkdir()
    (folder / "additional_chat_templates" / "tool_use.jinja").write_text("two")
    template = encoder_in(folder).template
    assert (template.source, template.with_tools.source) == ("one", "two")


def test_without_generation_settings_the_configuration_says_where_it_stops(tmp_path: Path) -> None:
    folder = write(tmp_path, special=SPECIAL)
    (folder / "config.json").write_text(json.dumps({"vocab_size": 7, "eos_token_id": [5]}))
    (folder / "chat_template.jinja").write_text("one")
    assert encoder_in(folder).template.stops == ("</s>", "<end>")
