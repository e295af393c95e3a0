"""The estimate against the peaks of real trainings on a CPU: within ten per cent.

A minute each, so `make test` draws two; `make estimates` measures all, and models of a gigabyte and
more.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.clusters import ROOT
from tests.support.ranks.run import free_port
from training.contract.config import TrainingConfig
from training.plan.estimate import Work, memory
from training.plan.hardware import CPU
from training.plan.memory import Memory
from training.plan.shape import Shape
from training.plan.understand import shape_of, understand

pytestmark = pytest.mark.torch

ALONE = {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1"}


def llama(**changes: Any) -> dict[str, Any]:
    return {
        "vocab_size": 4096, "hidden_size": 768, "intermediate_size": 2048, "num_hidden_layers": 6,
        "num_attention_heads": 12, "num_key_value_heads": 4, "tie_word_embeddings": False,
        "model_type": "llama",
    } | changes  # fmt: skip


def training(method: dict[str, Any], rows: int, **loop: Any) -> dict[str, Any]:
    return {
        "model": {"name": "/unused", "dtype": "float32"},
        "method": method,
        "data": {"name": "/unused", "max_length": 512},
        "loop": {
            "max_steps": 2,
            "per_device_batch_size": rows,
            "gradient_checkpointing": False,
        }
        | loop,
    }


LORA, FULL = {"kind": "lora", "r": 8}, {"kind": "full"}
PLAIN = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "tie_word_embeddings": False}
ATTENTION = {"num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 64}
LARGE: dict[str, dict[str, Any]] = {
    "dense": PLAIN | ATTENTION | {
        "model_type": "qwen3", "vocab_size": 32768, "hidden_size": 2048, "head_dim": 128,
        "intermediate_size": 6144, "num_hidden_layers": 8,
    },
    "experts": PLAIN | ATTENTION | {
        "model_type": "qwen3_moe", "vocab_size": 32768, "hidden_size": 1024,
        "moe_intermediate_size": 512, "num_experts": 32, "num_experts_per_tok": 4,
        "num_hidden_layers": 10, "decoder_sparse_step": 1, "intermediate_size": 1024,
    },
    "a model that sees": PLAIN | {
        "model_type": "mistral3",
        "text_config": PLAIN | ATTENTION | {
            "model_type": "mistral", "vocab_size": 32768, "hidden_size": 1536,
            "intermediate_size": 6144, "num_hidden_layers": 10,
        },
        "vision_config": {
            "model_type": "pixtral", "hidden_size": 1024, "intermediate_size": 4096,
            "num_hidden_layers": 6, "num_attention_heads": 16, "head_dim": 64, "image_size": 224,
            "patch_size": 14,
        },
    },
}  # fmt: skip
"""A gigabyte of weights and more, in bfloat16."""


@pytest.mark.skipif(
    "SPARKCTL_TEST_LARGE" not in os.environ,
    reason="minutes and 6 GB each: make estimates",
)
@pytest.mark.parametrize("name", LARGE)
def test_the_peak_of_a_gigabyte_of_weights_in_bfloat16_is_as_estimated(name: str) -> None:
    """Adapters on every linear layer, experts included."""
    model, rows, length = LARGE[name], 1, 256
    shape = understand(model)
    assert 2 * shape.parameters >= 10**9
    config = training({"kind": "lora", "r": 8}, rows, batching="padded")
    config["model"]["dtype"], config["data"]["max_length"] = "bfloat16", length
    expected = estimated(shape, config, rows * length)
    measured = peak(model, config, rows, length)
    print(name, f"{measured / 1e6:.0f} MB, {expected.peak / measured:.3f}", dict(expected.terms))
    assert 0.9 <= expected.peak / measured <= 1.1


CASES: dict[str, tuple[dict[str, Any], dict[str, Any], int]] = {
    "activations": (llama(), training(LORA, 4), 4),
    "checkpointed": (llama(), training(LORA, 4, gradient_checkpointing=True), 4),
    "selective": (llama(), training(LORA, 4, gradient_checkpointing="selective"), 4),
    "optimizer": (llama(), training(FULL, 1), 1),
    "adapter's optimizer": (llama(), training({"kind": "lora", "r": 256}, 1), 1),
    "logits": (llama(num_hidden_layers=2, vocab_size=32768), training(LORA, 4), 4),
}


@pytest.mark.sample(2)
@pytest.mark.parametrize("name", CASES)
def test_a_peak_is_as_estimated(name: str) -> None:
    model, config, rows = CASES[name]
    shape = shape_of(model)
    assert shape is not None
    length = 512
    expected = estimated(shape, config, rows * length)
    measured = peak(model, config, rows, length)
    print(name, f"{measured / 1e6:.0f} MB, {expected.peak / measured:.3f}", dict(expected.terms))
    assert 0.9 <= expected.peak / measured <= 1.1


def estimated(shape: Shape, config: dict[str, Any], tokens: int) -> Memory:
    document = TrainingConfig.model_validate(config)
    return memory(shape, document, "ddp", 1, CPU, Work(tokens, tokens))


def peak(model: dict[str, Any], config: dict[str, Any], rows: int, length: int) -> int:
    """Bytes. The C library gives freed memory back at once: what is seen is what is held."""
    asked = {"shape": model, "config": config, "rows": 2 * rows, "length": length}
    environment = (
        os.environ
        | ALONE
        | {
            "MASTER_PORT": str(free_port()),
            "PYTHONPATH": str(ROOT),
            "MALLOC_MMAP_THRESHOLD_": "1000000",
        }
    )
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("estimate_probe.py")), json.dumps(asked)],
        env=environment, capture_output=True, text=True, timeout=3600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return int(done.stdout.splitlines()[-1])
