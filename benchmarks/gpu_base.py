"""What the GPU benchmark trains: a Llama of random weights in the shape of an 8B one, and texts.

    python -m benchmarks.gpu_base FOLDER [--layers 16] [--hidden 4096] [--device cuda]

Prints one JSON line: the card, the versions, and what one large product of matrices reaches on it.
"""

import argparse
import json
import math
import random
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

WORDS = 8000
MEDIAN, SIGMA, SHORTEST, LONGEST = 90, 0.65, 8, 1024
"""Lengths of alpaca's rows in tokens: lognormal, clipped; as in benchmarks/padding.py."""
ALPACA, FULL = "alpaca.jsonl", "full.jsonl"
FULL_LENGTH = 2047
"""Words of a row of `full.jsonl`; the end token makes 2,048."""


def lengths(rows: int, seed: int) -> list[int]:
    """Of rows like alpaca's."""
    chance = random.Random(seed)
    drawn = (int(chance.lognormvariate(math.log(MEDIAN), SIGMA)) for _ in range(rows))
    return [min(LONGEST, max(SHORTEST, length)) for length in drawn]


def write_texts(file: Path, of_lengths: Sequence[int], seed: int) -> None:
    """Texts with something to learn: a word mostly tells the next one. A word is a token."""
    chance = random.Random(seed)
    with file.open("w", encoding="utf-8") as out:
        for length in of_lengths:
            words = [chance.randrange(WORDS)]
            for _ in range(length - 1):
                follows = (31 * words[-1] + 7) % WORDS
                words.append(follows if chance.random() < 0.8 else chance.randrange(WORDS))
            out.write(json.dumps({"text": " ".join(f"w{word}" for word in words)}) + "\n")


def make(folder: Path, layers: int, hidden: int, device: str) -> int:
    """Model, tokenizer and texts in this folder; the number of weights."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    wide = hidden >= 4096
    config = LlamaConfig(
        vocab_size=128256 if wide else 9000, hidden_size=hidden, num_hidden_layers=layers,
        intermediate_size=hidden * 7 // 2, num_attention_heads=max(hidden // 128, 2),
        num_key_value_heads=max(hidden // 512, 1), max_position_embeddings=8192,
        rope_theta=500000.0, bos_token_id=0, eos_token_id=1, pad_token_id=2,
        tie_word_embeddings=False, dtype="bfloat16",
    )  # fmt: skip
    torch.manual_seed(0)
    torch.set_default_dtype(torch.bfloat16)
    with torch.device(device):
        model = LlamaForCausalLM(config)
    torch.set_default_dtype(torch.float32)
    model.save_pretrained(folder, max_shard_size="2GB")
    ends = {"<s>": 0, "</s>": 1, "<pad>": 2, "<unk>": 3}
    vocabulary = ends | {f"w{word}": word + len(ends) for word in range(WORDS)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="<pad>",
        unk_token="<unk>",
    ).save_pretrained(folder)  # fmt: skip
    write_texts(folder / ALPACA, lengths(8000, seed=1), seed=7)
    write_texts(folder / FULL, [FULL_LENGTH] * 600, seed=8)
    return sum(weight.numel() for weight in model.parameters())


def product_tflops(device: str, side: int = 8192, rounds: int = 20) -> float:
    """What one product of random bfloat16 matrices of this side reaches, in 10^12 FLOP/s."""
    import torch

    side = side if device == "cuda" else 256
    a, b = (torch.randn(side, side, dtype=torch.bfloat16, device=device) for _ in range(2))
    for _warm in range(2):
        began = time.monotonic()
        for _ in range(rounds):
            a @ b
        if device == "cuda":
            torch.cuda.synchronize()
        taken = time.monotonic() - began
    return 2 * side**3 * rounds / taken / 1e12


def main() -> None:
    """Make it, and say on what."""
    import torch

    options = argparse.ArgumentParser()
    options.add_argument("folder", type=Path)
    options.add_argument("--layers", type=int, default=16)
    options.add_argument("--hidden", type=int, default=4096)
    options.add_argument("--device", default="cuda")
    chosen = options.parse_args()
    cuda = chosen.device == "cuda"
    card = {
        "card": torch.cuda.get_device_name() if cuda else "CPU",
        "memory": torch.cuda.get_device_properties(0).total_memory if cuda else 0,
        "torch": version("torch"),
        "cuda": torch.version.cuda,
        "tflops": product_tflops(chosen.device),
        "parameters": make(chosen.folder, chosen.layers, chosen.hidden, chosen.device),
    }
    print(json.dumps(card), flush=True)


if __name__ == "__main__":
    main()
