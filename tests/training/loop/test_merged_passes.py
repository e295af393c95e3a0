"""With gradient accumulation, packed by `auto`: fewer passes, and what comes out is the same."""

from pathlib import Path
from typing import Any

import pytest

from training.contract.config import TrainingConfig

torch = pytest.importorskip("torch")

from transformers import LlamaConfig, LlamaForCausalLM, set_seed  # noqa: E402

from tests.support.ranks.alone import Told, alone  # noqa: E402
from training.loop.checkpoint import ResumePoint, State  # noqa: E402
from training.loop.training import batching_of  # noqa: E402
from training.tokens.tokens import Tokens  # noqa: E402

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]
STEPS, PASSES = 4, 4
ROWS = [Tokens([3 + n] * (3 + n % 7), [-100] + [3 + n] * (2 + n % 7)) for n in range(40)]
CONFIG = TrainingConfig.model_validate(
    {
        "model": {"name": "builtin:tiny-llama", "dtype": "float32"},
        "method": {"kind": "full"},
        "data": {"name": "builtin:instructions", "max_length": 32},
        "optim": {"lr": 1e-2},
        "checkpoint": {"every": 2},
        "loop": {
            "max_steps": STEPS,
            "per_device_batch_size": 2,
            "gradient_accumulation_steps": PASSES,
        },
    }
)


def trained(folder: Path, batching: Any) -> tuple[dict[str, Any], Told]:
    set_seed(1)
    base = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=64,
            hidden_size=32,
            intermediate_size=48,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
        )
    )
    training, told = alone(base, ROWS, ROWS[:2], CONFIG, folder, batching)
    training.train()
    return base.state_dict(), told


def test_steps_are_the_same_in_fewer_passes(tmp_path: Path) -> None:
    weights, told = trained(tmp_path / "free", "padding-free")
    merged, fewer = trained(tmp_path / "packed", "packed")
    passes = [sum(phase == "training" for phase, _ in one.beats) for one in (told, fewer)]
    assert passes == [STEPS * PASSES, STEPS]
    for one, other in zip(told.steps, fewer.steps, strict=True):
        assert other.loss == pytest.approx(one.loss, rel=1e-5)
        assert other.grad_norm == pytest.approx(one.grad_norm, rel=1e-4)
        assert other.tokens == one.tokens
    for name, weight in weights.items():
        torch.testing.assert_close(merged[name], weight, rtol=0, atol=1e-4)


def test_a_checkpoint_keeps_how_its_steps_were_made(tmp_path: Path) -> None:
    """What `auto` would choose today is another question."""
    trained(tmp_path, "packed")
    point = ResumePoint(2, tmp_path / "checkpoints" / "rank0" / "step-2", ())
    assert batching_of(point) == "packed"
    then = State.read(point.folder)
    del then.counters["batching"]
    before = ResumePoint(2, tmp_path / "before", ())
    before.folder.mkdir()
    then.write(before.folder)
    assert batching_of(before) == "padding-free"  # of a version that never packed unasked
    assert batching_of(None) is None
