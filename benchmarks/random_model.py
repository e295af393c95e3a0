"""A model of any size with random weights, on disk as the Hub has it: to measure loading."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors.torch import save_file
from transformers.core_model_loading import revert_weight_conversion

Named = tuple[str, torch.Size]


@dataclass(frozen=True)
class Size:
    """Shape of a Llama; bfloat16, embeddings not tied."""

    hidden: int
    layers: int
    vocabulary: int = 32000
    files: int = 10
    kind: str = "LlamaForCausalLM"

    @property
    def config(self) -> Any:
        """As transformers has it."""
        return transformers.LlamaConfig(
            vocab_size=self.vocabulary,
            hidden_size=self.hidden,
            intermediate_size=self.hidden * 11 // 4,
            num_hidden_layers=self.layers,
            num_attention_heads=self.hidden // 128,
            num_key_value_heads=self.hidden // 128,
            tie_word_embeddings=False,
            dtype="bfloat16",
        )


@dataclass(frozen=True)
class Experts(Size):
    """A model with 32 experts a layer, one by one in the files and stacked in memory."""

    kind: str = "Qwen3MoeForCausalLM"

    @property
    def config(self) -> Any:
        """As transformers has it."""
        return transformers.Qwen3MoeConfig(
            vocab_size=self.vocabulary, hidden_size=self.hidden, num_hidden_layers=self.layers,
            num_attention_heads=self.hidden // 128, num_key_value_heads=2, head_dim=128,
            num_experts=32, num_experts_per_tok=4, moe_intermediate_size=self.hidden // 2,
            decoder_sparse_step=1, tie_word_embeddings=False, dtype="bfloat16",
        )  # fmt: skip


@dataclass(frozen=True)
class Wrapper(Size):
    """A model of text with a vision tower, embeddings tied."""

    kind: str = "Gemma3ForConditionalGeneration"

    @property
    def config(self) -> Any:
        """As transformers has it."""
        text = {
            "vocab_size": self.vocabulary, "hidden_size": self.hidden, "head_dim": 128,
            "intermediate_size": self.hidden * 11 // 4, "num_hidden_layers": self.layers,
            "num_attention_heads": self.hidden // 128, "num_key_value_heads": 4,
        }  # fmt: skip
        tower = {
            "hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 12,
            "num_attention_heads": 16, "image_size": 224, "patch_size": 14,
        }  # fmt: skip
        return transformers.Gemma3Config(text_config=text, vision_config=tower, dtype="bfloat16")


def write(folder: Path, size: Size) -> int:
    """Write the checkpoint file by file; its weights in bytes. Nothing of it stays in the cache."""
    with torch.device("meta"):
        model = getattr(transformers, size.kind)(size.config)
    state = {n: w for n, w in model.state_dict().items() if n not in model.all_tied_weights_keys}
    weights = [(n, w.shape) for n, w in revert_weight_conversion(model, state).items()]
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
