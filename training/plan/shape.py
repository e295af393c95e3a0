"""The shape of a decoder-only model as numbers: what is known about it without its weights."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Shape:
    """A model as Llama is built: RMSNorm, attention with grouped keys, gated MLP, no biases."""

    hidden: int
    intermediate: int
    layers: int
    heads: int
    key_value_heads: int
    head_dim: int
    vocabulary: int
    tied: bool
    """Input and output embeddings are one weight."""
    query_key_norms: bool = False
    """Each head's queries and keys are normalised before attention, as in Qwen3."""

    @property
    def attention(self) -> int:
        """Numbers in the queries of one token, of all heads; the keys and the values of one are
        `key_value`."""
        return self.heads * self.head_dim

    @property
    def key_value(self) -> int:
        """Numbers in the keys (or the values) of one token."""
        return self.key_value_heads * self.head_dim

    @property
    def embedding(self) -> int:
        """Weights of the embeddings; the output layer has as many, or is the same."""
        return self.vocabulary * self.hidden

    @property
    def linear(self) -> Mapping[str, tuple[int, int]]:
        """(inputs, outputs) of the linear layers of one layer, by their usual names."""
        return {
            "q_proj": (self.hidden, self.attention),
            "k_proj": (self.hidden, self.key_value),
            "v_proj": (self.hidden, self.key_value),
            "o_proj": (self.attention, self.hidden),
            "gate_proj": (self.hidden, self.intermediate),
            "up_proj": (self.hidden, self.intermediate),
            "down_proj": (self.intermediate, self.hidden),
        }

    @property
    def layer(self) -> int:
        """Weights of one layer, with its norms."""
        norms = 2 * self.hidden + (2 * self.head_dim if self.query_key_norms else 0)
        return sum(i * o for i, o in self.linear.values()) + norms

    @property
    def parameters(self) -> int:
        """All weights; what is tied counts once."""
        ends = self.embedding * (1 if self.tied else 2)
        return self.layers * self.layer + ends + self.hidden


def shape_of(config: Mapping[str, Any]) -> Shape | None:
    """From a checkpoint's config.json; None for a model that is not built like Llama or Qwen3."""
    odd = ("num_experts", "num_local_experts", "attention_bias", "mlp_bias", "text_config")
    kind = config.get("model_type")
    if kind not in ("llama", "mistral", "qwen3") or any(config.get(o) for o in odd):
        return None
    heads, hidden = config["num_attention_heads"], config["hidden_size"]
    return Shape(
        hidden=hidden,
        intermediate=config["intermediate_size"],
        layers=config["num_hidden_layers"],
        heads=heads,
        key_value_heads=config.get("num_key_value_heads") or heads,
        head_dim=config.get("head_dim") or hidden // heads,
        vocabulary=config["vocab_size"],
        tied=bool(config.get("tie_word_embeddings", False)),
        query_key_norms=kind == "qwen3",
    )


_LLAMA_1B = Shape(2048, 8192, 16, 32, 8, 64, 128256, tied=True)
_LLAMA_3B = Shape(3072, 8192, 28, 24, 8, 128, 128256, tied=True)
_LLAMA_8B = Shape(4096, 14336, 32, 32, 8, 128, 128256, tied=False)
_LLAMA_70B = Shape(8192, 28672, 80, 64, 8, 128, 128256, tied=False)
_QWEN3_8B = Shape(4096, 12288, 36, 32, 8, 128, 151936, tied=False, query_key_norms=True)

KNOWN: Mapping[str, Shape] = {
    "builtin:tiny-llama": Shape(128, 256, 2, 4, 2, 32, 512, tied=False),
    "meta-llama/Llama-3.2-1B": _LLAMA_1B,
    "meta-llama/Llama-3.2-1B-Instruct": _LLAMA_1B,
    "meta-llama/Llama-3.2-3B": _LLAMA_3B,
    "meta-llama/Llama-3.2-3B-Instruct": _LLAMA_3B,
    "meta-llama/Llama-3.1-8B": _LLAMA_8B,
    "meta-llama/Llama-3.1-8B-Instruct": _LLAMA_8B,
    "meta-llama/Llama-3.1-70B": _LLAMA_70B,
    "meta-llama/Llama-3.1-70B-Instruct": _LLAMA_70B,
    "meta-llama/Llama-3.3-70B-Instruct": _LLAMA_70B,
    "Qwen/Qwen3-8B": _QWEN3_8B,
}
"""Shapes that need no download, from these models' published config.json."""
