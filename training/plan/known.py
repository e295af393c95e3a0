"""Models whose published config.json is known here: they need no look at the Hub."""

from collections.abc import Mapping
from typing import Any

from training.plan.shape import Shape
from training.plan.understand import understand


def _llama(hidden: int, inner: int, layers: int, heads: int, **more: Any) -> Mapping[str, Any]:
    return {
        "model_type": "llama", "hidden_size": hidden, "intermediate_size": inner,
        "num_hidden_layers": layers, "num_attention_heads": heads, "num_key_value_heads": 8,
        "vocab_size": 128256, "tie_word_embeddings": False, "torch_dtype": "bfloat16",
    } | more  # fmt: skip


_1B = _llama(2048, 8192, 16, 32, head_dim=64, tie_word_embeddings=True)
_3B = _llama(3072, 8192, 28, 24, head_dim=128, tie_word_embeddings=True)
_8B = _llama(4096, 14336, 32, 32)
_70B = _llama(8192, 28672, 80, 64)
_CONFIGS: Mapping[str, Mapping[str, Any]] = {
    "builtin:tiny-llama": _llama(
        128, 256, 2, 4, num_key_value_heads=2, head_dim=32, vocab_size=512, torch_dtype="float32"
    ),
    "meta-llama/Llama-3.2-1B": _1B,
    "meta-llama/Llama-3.2-1B-Instruct": _1B,
    "meta-llama/Llama-3.2-3B": _3B,
    "meta-llama/Llama-3.2-3B-Instruct": _3B,
    "meta-llama/Llama-3.1-8B": _8B,
    "meta-llama/Llama-3.1-8B-Instruct": _8B,
    "meta-llama/Llama-3.1-70B": _70B,
    "meta-llama/Llama-3.1-70B-Instruct": _70B,
    "meta-llama/Llama-3.3-70B-Instruct": _70B,
    "Qwen/Qwen3-8B": {
        "model_type": "qwen3", "hidden_size": 4096, "intermediate_size": 12288,
        "num_hidden_layers": 36, "num_attention_heads": 32, "num_key_value_heads": 8,
        "head_dim": 128, "vocab_size": 151936, "tie_word_embeddings": False,
        "attention_bias": False, "torch_dtype": "bfloat16",
    },
}  # fmt: skip

KNOWN: Mapping[str, Shape] = {name: understand(config) for name, config in _CONFIGS.items()}
