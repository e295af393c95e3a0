"""The tiny base is a checkpoint like any other: what reads those of the Hub reads it too."""

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

from training.builtin import tiny
from training.builtin.instructions import base_texts, instruction_rows

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Hardly taught: nothing here asks what it knows."""
    return tiny.build(tmp_path_factory.mktemp("cache"), tiny.TinyRecipe(steps=2))


def read(file: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(file.read_text())
    return content


def test_programs_that_do_not_guess_find_the_class(folder: Path) -> None:
    config = read(folder / "config.json")
    assert config["architectures"] == ["LlamaForCausalLM"]
    assert config["head_dim"] == config["hidden_size"] // config["num_attention_heads"] >= 32
    assert type(AutoModelForCausalLM.from_pretrained(folder)).__name__ == "LlamaForCausalLM"
    generation = GenerationConfig.from_pretrained(folder)
    ends = (generation.bos_token_id, generation.eos_token_id, generation.pad_token_id)
    assert ends == (1, 2, 0) and generation.max_new_tokens


def test_the_tokenizer_is_of_gpt_2_s_kind(folder: Path) -> None:
    file = read(folder / "tokenizer.json")
    assert file["model"]["type"] == "BPE" and not file["model"]["byte_fallback"]
    assert file["pre_tokenizer"]["type"] == file["decoder"]["type"] == "ByteLevel"
    assert file["pre_tokenizer"]["use_regex"] and not file["pre_tokenizer"]["add_prefix_space"]
    assert [token["content"] for token in file["added_tokens"]] == ["<pad>", "<s>", "</s>"]
    settings = read(folder / "tokenizer_config.json")
    assert settings["tokenizer_class"] == "GPT2Tokenizer"  # known before transformers 5, too
    assert settings["model_max_length"] == read(folder / "config.json")["max_position_embeddings"]


def test_it_reads_as_it_was_taught(folder: Path) -> None:
    """After the way over the disk the same tokens, each of which the model has a row for."""
    before, after = tiny.make_tokenizer(), AutoTokenizer.from_pretrained(folder)
    texts = [
        *base_texts(),
        *(row["output"] for row in instruction_rows()),
        "안녕, wörld!\n\n 12ab_",
    ]
    for text in texts:
        ids = after(text)["input_ids"]
        assert ids == before(text)["input_ids"] and max(ids) < 512
        assert after.decode(ids) == text
    assert len(after) == read(folder / "config.json")["vocab_size"]
    assert after.tokenize('in "in in') == ["in", "Ġ", '"', "in", "Ġ", "in"]


def test_a_question_is_asked_as_it_was_taught(folder: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "3?"}]
    asked = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    assert asked == "Be brief.\n3?\n"
    turns.append({"role": "assistant", "content": "three"})
    answered = tokenizer.apply_chat_template(turns, tokenize=False)
    assert answered == asked + "three</s>"  # learned up to the mark that ends an answer
