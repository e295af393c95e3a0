"""A Llama of any size with random weights, on disk: what loading is measured with."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM

Named = tuple[str, torch.Size]


@dataclass(frozen=True)
class Size:
    """Shape of a model; bfloat16, embeddings not tied."""

    hidden: int
    layers: int
    vocabulary: int = 32000
    files: int = 10

    @property
    def config(self) -> LlamaConfig:
        """As transformers has it."""
        return LlamaConfig(
            vocab_size=self.vocabulary,
            hidden_size=self.hidden,
            intermediate_size=self.hidden * 11 // 4,
            num_hidden_layers=self.layers,
            num_attention_heads=self.hidden // 128,
            num_key_value_heads=self.hidden // 128,
            tie_word_embeddings=False,
            dtype="bfloat16",
        )


def write(folder: Path, size: Size) -> int:
    """Write the checkpoint file by file; its weights in bytes. Nothing of it stays in the cache."""
    with torch.device("meta"):
        model = LlamaForCausalLM(size.config)
    weights = [(name, weight.shape) for name, weight in model.named_parameters()]
    total: int = 2 * sum(shape.numel() for _, shape in weights)
    generator = torch.Generator().manual_seed(0)
    names: dict[str, str] = {}
    for number, some in enumerate(_parts(weights, total / size.files)):
        file = folder / f"model-{number:05d}.safetensors"
        drawn = {n: torch.empty(s, dtype=torch.bfloat16) for n, s in some}
        for weight in drawn.values():
            weight.normal_(std=0.02, generator=generator)
        save_file(drawn, file, {"format": "pt"})
        forget(file)
        names |= dict.fromkeys(drawn, file.name)
    size.config.save_pretrained(folder)
    index = {"metadata": {"total_size": total}, "weight_map": names}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    return total


def forget(file: Path) -> None:
    """Let the system's page cache have nothing of this file."""
    descriptor = os.open(file, os.O_RDONLY)
    try:
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)


def _parts(weights: list[Named], room: float) -> Iterator[list[Named]]:
    some: list[Named] = []
    for name, shape in weights:
        some.append((name, shape))
        if 2 * sum(s.numel() for _, s in some) >= room:
            yield some
            some = []
    if some:
        yield some
