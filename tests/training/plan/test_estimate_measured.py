"""The estimate against the peaks of real trainings on a CPU: within ten per cent."""

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
from training.plan.understand import shape_of

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
        "loop": {"max_steps": 2, "per_device_batch_size": rows} | loop,
    }


LORA, FULL = {"kind": "lora", "r": 8}, {"kind": "full"}
CASES: dict[str, tuple[dict[str, Any], dict[str, Any], int]] = {
    "activations": (llama(), training(LORA, 4), 4),
    "checkpointed": (llama(), training(LORA, 4, gradient_checkpointing=True), 4),
    "optimizer": (llama(), training(FULL, 1), 1),
    "adapter's optimizer": (llama(), training({"kind": "lora", "r": 256}, 1), 1),
    "logits": (llama(num_hidden_layers=2, vocab_size=32768), training(LORA, 4), 4),
}


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
        env=environment, capture_output=True, text=True, timeout=200,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return int(done.stdout.splitlines()[-1])
