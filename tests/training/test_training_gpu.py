"""What only a GPU can show of the training code; skipped, visibly, without one.

On a Spark, inside the training image: `pytest -m torch tests/training/test_training_gpu.py`. What
needs two, such as the overlap of FSDP2's prefetch with computing, is in tests/test_hardware.py.
"""

from pathlib import Path
from typing import Any

import pytest

from tests.support.ranks.nodes import Nodes
from tests.support.ranks.recipe import recipe
from training.contract.config import Lora, Qlora, TrainingConfig
from training.contract.events import Eval, Result, Start
from training.plan.strategy import checkpoint_bytes

pytestmark = pytest.mark.filterwarnings("ignore")  # of the libraries among themselves

GIB = 2**30
METHODS: dict[str, dict[str, Any]] = {
    "lora": {"kind": "lora"},
    "dora": {"kind": "lora", "dora": True},
    "qlora": {"kind": "qlora"},
    "full": {"kind": "full"},
}


def learning(method: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What of the tiny recipe is other here."""
    return {
        "model": {"dtype": "bfloat16"},
        "method": method,
        "optim": {"lr": 3e-4 if method["kind"] == "full" else 5e-3},
        "parallel": {"strategy": "auto"},
        "loop": {"max_steps": 40, "batching": "padding-free"},
    }


@pytest.mark.parametrize("method", METHODS)
def test_every_recipe_of_this_file_is_valid(method: str) -> None:
    """Also where there is no GPU to run it."""
    config = TrainingConfig.model_validate(recipe(learning(METHODS[method])))
    assert config.method.kind == METHODS[method]["kind"]


@pytest.fixture(scope="session")
def gpu() -> None:
    """Skips what asks for it where there is none."""
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("needs a GPU")


@pytest.fixture(scope="module")
def base(gpu: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Llama of 1.3 billion weights, 2.7 GB in bfloat16, in files of 500 MB."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    folder = tmp_path_factory.mktemp("base")
    config = LlamaConfig(
        vocab_size=32000, hidden_size=2048, intermediate_size=5632, num_hidden_layers=24,
        num_attention_heads=32, num_key_value_heads=32, dtype="bfloat16",
    )  # fmt: skip
    with torch.device("cuda"):
        model = LlamaForCausalLM(config).to(torch.bfloat16)
    model.save_pretrained(folder, max_shard_size="500MB")
    del model
    torch.cuda.empty_cache()
    return folder


@pytest.mark.torch
@pytest.mark.parametrize("method", METHODS)
def test_bfloat16_on_cuda_learns(gpu: None, nodes: Nodes, method: str) -> None:
    """Passes in bfloat16, what is trained in float32; batches without padding are not refused."""
    (rank,) = nodes.run(entry_point=True, world_size=1, config=learning(METHODS[method]))
    assert rank.status == 0, rank.stderr
    (start,), (first, *_, last) = rank.events(Start), rank.events(Eval)
    assert start.device == "cuda:0"
    assert first.loss and last.loss and last.loss < 0.7 * first.loss
    assert rank.events(Result)


@pytest.mark.torch
def test_loading_takes_the_model_once_from_unified_memory(base: Path) -> None:
    """On GB10 a copy straight from a file's mapping costs each page twice (transformers#47257)."""
    before = _available()
    model, parameters = _replica(base, Lora(kind="lora"))
    taken = before - _available()
    assert parameters == sum(p.numel() for p in model.parameters())
    assert taken <= 1.15 * checkpoint_bytes(base) + GIB  # the CUDA context is in it


@pytest.mark.torch
def test_a_4bit_base_takes_a_third_of_its_files(base: Path) -> None:
    """4.1 bits a linear weight, 16 for the rest, and never more than one whole weight besides."""
    import torch

    torch.cuda.reset_peak_memory_stats()
    model, parameters = _replica(base, Qlora(kind="qlora"))
    rest = sum(p.nbytes for p in model.parameters() if p.dtype == torch.bfloat16)
    expected = rest + 4.2 / 8 * (parameters - rest / 2)
    assert torch.cuda.max_memory_allocated() <= 1.1 * expected + 0.2 * GIB


@pytest.mark.torch
def test_sequences_of_a_row_do_not_see_each_other_on_cuda(base: Path) -> None:
    """The leak probe with torch's CUDA kernels in bfloat16: far below what a leak would be."""
    from training.model import attention

    model, _ = _replica(base, Lora(kind="lora"))
    assert attention.choose_batching("padding-free", model) == "padding-free"
    assert attention.leakage(model) < 0.1


def _replica(base: Path, method: Lora | Qlora) -> tuple[Any, int]:
    import torch

    from training.model.replicate import replicate

    model, parameters, read = replicate(base, torch.bfloat16, torch.device("cuda"), method)
    assert read <= checkpoint_bytes(base)
    return model, parameters


def _available() -> int:
    """MemAvailable in bytes: on unified memory the GPU's memory is in it."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    (line,) = [line for line in lines if line.startswith("MemAvailable:")]
    return int(line.split()[1]) * 1024
