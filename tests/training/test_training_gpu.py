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
from training.contract.events import Error, Eval, Result, Start, Step
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

    from training.builtin.tiny import make_tokenizer

    folder = tmp_path_factory.mktemp("base")
    config = LlamaConfig(
        vocab_size=32000, hidden_size=2048, intermediate_size=5632, num_hidden_layers=24,
        num_attention_heads=32, num_key_value_heads=8, dtype="bfloat16",
    )  # fmt: skip
    with torch.device("cuda"):
        model = LlamaForCausalLM(config).to(torch.bfloat16)
    model.save_pretrained(folder, max_shard_size="500MB")
    make_tokenizer().save_pretrained(folder)
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
    assert start.attention == "varlen"  # also where all weights learn, and are held in float32
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
    assert attention.how(model) == attention.VARLEN
    assert attention.leakage(model) < 0.1


@pytest.mark.torch
def test_one_call_of_attention_learns_what_plain_ones_do(base: Path) -> None:
    """Losses and gradients of a row of sequences, beside a row for each with torch's sdpa."""
    import torch

    from training.model import adapter, attention
    from training.tokens.tokens import Tokens

    model, _ = _replica(base, Lora(kind="lora"))
    adapted = adapter.attach(model, Lora(kind="lora"), seed=0).model
    for name, weight in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.02)
    rows = [Tokens(ids, ids) for ids in ([7 + 3 * i for i in range(n)] for n in (5, 300, 17, 64))]
    attention.choose_batching("padding-free", adapted)
    learned = {}
    for way, pad in (("one call", None), ("plain", 0)):
        learned[way] = _gradients(adapted, attention.collate(adapted, pad)(rows))
        model.set_attn_implementation("sdpa")
    (loss, one), (plain_loss, plain) = learned["one call"], learned["plain"]
    assert loss == pytest.approx(plain_loss, rel=2e-3)
    apart = torch.stack([(one[name] - plain[name]).norm() for name in one]).norm()
    assert apart < 0.05 * torch.stack([weight.norm() for weight in plain.values()]).norm()


WAYS: dict[str, dict[str, dict[str, Any]]] = {
    "packed": {"loop": {"batching": "packed", "tokens_per_pass": 512}},
    "compiled": {"loop": {"kernels": "compiled"}},
    "liger": {"loop": {"kernels": "liger"}},
    "selective": {"loop": {"gradient_checkpointing": "selective"}},
    "recomputing": {"loop": {"gradient_checkpointing": True}},
    "qlora, recomputing": {
        "method": {"kind": "qlora"}, "loop": {"gradient_checkpointing": True},
    },
}  # fmt: skip


@pytest.mark.torch
@pytest.mark.parametrize("way", WAYS)
def test_every_way_of_computing_learns(gpu: None, nodes: Nodes, way: str) -> None:
    config, changes = learning(METHODS["lora"]), WAYS[way]
    if way == "liger":
        pytest.importorskip("liger_kernel")
    config |= {key: config[key] | some for key, some in changes.items() if key != "method"}
    (rank,) = nodes.run(
        entry_point=True,
        world_size=1,
        config=config | {"method": changes.get("method", METHODS["lora"])},
    )
    assert rank.status == 0, rank.stderr
    (start,), (first, *_, last) = rank.events(Start), rank.events(Eval)
    assert start.attention == "varlen"
    assert start.kernels == changes["loop"].get("kernels", "plain")
    assert start.batching == changes["loop"].get("batching", "padding-free")
    assert start.gradient_checkpointing == changes["loop"].get("gradient_checkpointing", False)
    assert first.loss and last.loss and last.loss < 0.7 * first.loss


@pytest.mark.torch
def test_two_equal_runs_see_the_same(gpu: None, nodes: Nodes) -> None:
    """The same rows, and losses within rounding. Bits are promised on CPUs alone: kernels of
    attention add up in any order."""
    runs = [
        nodes.run(entry_point=True, world_size=1, config=learning(METHODS["lora"]))[0].events(Step)
        for _ in range(2)
    ]
    assert len(runs[0]) == len(runs[1]) == 40
    for one, other in zip(*runs, strict=True):
        assert (one.tokens, one.lr) == (other.tokens, other.lr)
        assert one.loss == pytest.approx(other.loss, rel=0.02)
    print("equal bits:", [s.loss for s in runs[0]] == [s.loss for s in runs[1]])


@pytest.mark.torch
def test_too_much_memory_is_an_error_and_no_crash(base: Path, nodes: Nodes) -> None:
    """On unified memory the machine would freeze."""
    config = learning(METHODS["lora"])
    config["model"] |= {"name": str(base)}
    config["parallel"] |= {"gpu_memory_share": 0.01}  # of 2.7 GB a card of 80 GB gives 0.8
    config["data"] = {"template": "plain"}
    (rank,) = nodes.run(entry_point=True, world_size=1, config=config)
    (error,) = rank.events(Error)
    assert error.code == "out_of_memory"
    assert rank.status == error.exit_code == 1
    assert "gpu_memory_share" in error.help


def _gradients(model: Any, batch: dict[str, Any]) -> tuple[float, dict[str, Any]]:
    """Mean loss of the tokens, and the adapter's gradients, under autocast."""
    import torch

    from training.loop.feeding import on_device

    batch = on_device(batch, torch.device("cuda"))
    labels = batch.pop("labels")
    model.zero_grad()
    with torch.autocast("cuda", torch.bfloat16):
        logits = model(**batch, use_cache=False).logits
    flat = logits[:, :-1].float().flatten(0, 1), labels[:, 1:].flatten()
    loss = torch.nn.functional.cross_entropy(*flat, ignore_index=-100)
    loss.backward()
    return float(loss), {
        n: p.grad.float() for n, p in model.named_parameters() if p.grad is not None
    }


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
