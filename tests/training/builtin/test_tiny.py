"""The tiny base is a checkpoint like any other: what reads those of the Hub reads it too."""

import json
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig
from transformers.utils import sentencepiece_model_pb2_new as sentencepiece

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
    assert file["post_processor"]["type"] == "ByteLevel"  # no mark is put before a text
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
    parts = [{"type": "text", "text": "3"}, {"type": "text", "text": "?"}]
    sent = [{"role": "user", "content": parts}, {"role": "assistant", "content": None}]
    assert tokenizer.apply_chat_template(sent, tokenize=False) == "3?\n</s>"


def test_what_joins_pieces_as_sentencepiece_does_reads_the_same_tokens(folder: Path) -> None:
    """Converters to GGUF take `tokenizer.model`, and llama.cpp then reads text by it."""
    model = sentencepiece.ModelProto.FromString((folder / "tokenizer.model").read_bytes())
    assert model.trainer_spec.byte_fallback and not model.normalizer_spec.add_dummy_prefix
    kinds = Counter(piece.type for piece in model.pieces)
    kind = sentencepiece.ModelProto.SentencePiece
    assert (kinds[kind.UNKNOWN], kinds[kind.CONTROL], kinds[kind.BYTE]) == (1, 2, 256)
    place = {piece.piece: number for number, piece in enumerate(model.pieces)}
    assert len(place) == len(model.pieces) == read(folder / "config.json")["vocab_size"] + 1
    tokenizer = AutoTokenizer.from_pretrained(folder)
    for text in [*base_texts(), "안녕, wörld!\n\n  12ab_\t"]:
        pieces = joined(
            text.replace(" ", "▁"), {p: model.pieces[n].score for p, n in place.items()}
        )
        ids = [place[name] for piece in pieces for name in named(piece, place)]
        assert ids == tokenizer(text)["input_ids"], text


def joined(text: str, scores: dict[str, float]) -> list[str]:
    """Of two neighbours that are a piece together the best pair is joined, until there is none."""
    parts = list(text)
    while pairs := [
        (scores[both], -at)
        for at, both in enumerate(map("".join, pairwise(parts)))
        if both in scores
    ]:
        at = -max(pairs)[1]
        parts[at : at + 2] = [parts[at] + parts[at + 1]]
    return parts


def named(part: str, place: dict[str, int]) -> list[str]:
    return [part] if part in place else [f"<0x{byte:02X}>" for byte in part.encode()]
