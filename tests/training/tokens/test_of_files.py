"""A tokenizer from its files alone is what transformers makes of them."""

import json
from pathlib import Path
from typing import Any

import pytest

from training.contract.errors import ConfigurationError
from training.tokens.of_files import encoder_of_files

TEXTS = ["What is it? It is JSON.", "<s>a</s> b", "한국어 🐙", ""]


@pytest.mark.torch
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"add_bos_token": True},
        {"add_bos_token": True, "add_eos_token": True},
        {"add_bos_token": False},
        {"bos_token": {"__type": "AddedToken", "content": "<s>", "special": True}},
        {"chat_template": [{"name": "default", "template": "d"}, {"name": "rag", "template": "r"}]},
    ],
)
def test_it_is_as_transformers_reads_it(settings: dict[str, Any], tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    from training.builtin.tiny import make_tokenizer
    from training.data.tokenizer import encoder_of

    make_tokenizer().save_pretrained(tmp_path)
    file = tmp_path / "tokenizer_config.json"
    config = json.loads(file.read_text()) | {"tokenizer_class": "PreTrainedTokenizerFast"}
    if "chat_template" in settings:
        (tmp_path / "chat_template.jinja").unlink(missing_ok=True)
    file.write_text(json.dumps(config | settings))

    model = {"model_type": "llama", "vocab_size": 512, "eos_token_id": [2, 0]}
    (tmp_path / "config.json").write_text(json.dumps(model))
    theirs = encoder_of(AutoTokenizer.from_pretrained(tmp_path), tmp_path)
    jinja = tmp_path / "chat_template.jinja"
    ours = encoder_of_files(
        (tmp_path / "tokenizer.json").read_text(),
        json.loads(file.read_text()),
        {},
        model,
        jinja.read_text() if jinja.is_file() else None,
    )
    assert (ours.end, ours.template) == (theirs.end, theirs.template)
    assert ours.rows == theirs.rows == 512
    for text in TEXTS:
        for marks in (True, False):
            mine, its = (
                encoder._tokenizer.encode(text, add_special_tokens=marks).ids
                for encoder in (ours, theirs)
            )
            assert mine == its, (text, marks)


@pytest.mark.parametrize(
    ("tokenizer", "said"), [("{}", "not understood"), ("[", "not understood"), ("", "understood")]
)
def test_what_is_no_tokenizer_is_said(tokenizer: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said) as caught:
        encoder_of_files(tokenizer, {"eos_token": "</s>"}, {}, {}, None)
    assert caught.value.code == "tokenizer_unfit"
