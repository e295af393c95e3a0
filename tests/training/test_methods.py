"""Every method on two ranks: it learns, goes on after a stop, and is saved as others can load it.

LoRA without more is in test_training_run.py and test_training_resume.py.
"""

import hashlib
import json
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.support.ranks.nodes import Nodes
from tests.support.ranks.recipe import TINY
from tests.support.ranks.run import Run
from training.contract.events import Error, Result, Start
from training.model.weight_files import tensors_of

pytestmark = [
    pytest.mark.torch,
    pytest.mark.filterwarnings("ignore"),  # of the libraries among themselves
]

CONFIG: dict[str, Any] = TINY | {
    "loop": {"max_steps": 12, "per_device_batch_size": 8},
    "checkpoint": {"every": 0},
}
FULL = {"method": {"kind": "full"}, "optim": {"lr": 3e-4}}
METHODS: dict[str, dict[str, Any]] = {
    "full sharded": FULL | {"parallel": {"strategy": "sharded"}},
    "full ddp": FULL | {"parallel": {"strategy": "ddp"}},
    "dora": {"method": {"kind": "lora", "dora": True}, "parallel": {"strategy": "auto"}},
    "olora and a whole head": {
        "method": {"kind": "lora", "init": "olora", "modules_to_save": ["lm_head"]},
        "parallel": {"strategy": "auto"},
    },
    "qlora": {"method": {"kind": "qlora"}, "parallel": {"strategy": "auto"}},
}


@pytest.fixture(scope="module", params=METHODS)
def trained(
    request: pytest.FixtureRequest, nodes: Nodes, tmp_path_factory: pytest.TempPathFactory
) -> Run:
    """A run of this method that nobody disturbed."""
    run = Run(tmp_path_factory.mktemp("run"), nodes.caches, CONFIG | METHODS[request.param], 2)
    assert run.finish() == [0, 0], run.stderr(0)
    return run


def result(run: Run, rank: int = 0) -> Result:
    (told,) = run.events(rank, Result)
    return told


def test_it_learns_and_the_ranks_end_equal(trained: Run) -> None:
    ours, theirs = result(trained), result(trained, 1)
    assert ours.eval_loss_first and ours.eval_loss_last
    assert ours.eval_loss_last < 0.8 * ours.eval_loss_first
    assert ours.weights_sha256 == theirs.weights_sha256
    for start in trained.events(0, Start):
        sharded = trained.config["parallel"]["strategy"] == "sharded"
        assert start.strategy == ("sharded" if sharded else "ddp")
        assert start.local_parameters == start.parameters / (2 if sharded else 1)
        full = trained.config["method"]["kind"] == "full"
        assert (start.trainable_parameters == start.parameters) == full


def test_stopped_and_started_again_it_ends_with_the_same_weights(
    trained: Run, tmp_path: Path
) -> None:
    run = Run(tmp_path, trained.caches, trained.config, 2)
    with run.attempt() as gang:
        gang.reach(4)
        gang.signal(signal.SIGTERM, 1)
        assert gang.end() == [143, 143], run.stderr(0)
    assert run.finish() == [0, 0], run.stderr(0)
    assert result(run).weights_sha256 == result(trained).weights_sha256
    assert result(run).eval_loss_last == result(trained).eval_loss_last


def test_what_is_saved_is_what_was_trained(trained: Run) -> None:
    from transformers import AutoModelForCausalLM

    (base,) = (trained.caches / "node-0").glob("tiny-llama-*")
    saved = trained.node(0) / "run" / Path(str(result(trained).saved)).name
    assert not list(saved.parent.glob(".*.tmp"))
    assert result(trained).weights_sha256 in (saved / "README.md").read_text()
    if trained.config["method"]["kind"] == "full":
        model = AutoModelForCausalLM.from_pretrained(saved)
        assert saved.name == "model" and sha256_of(model, base) == result(trained).weights_sha256
    else:
        from peft import PeftModel

        model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), saved)
        assert saved.name == "adapter"
    assert loss_of(model, saved) < 0.8 * loss_of(AutoModelForCausalLM.from_pretrained(base), saved)


def test_a_rank_that_cannot_write_leaves_nobody_waiting(trained: Run, tmp_path: Path) -> None:
    run = Run(tmp_path, trained.caches, trained.config, 2)
    kind = Path(str(result(trained).saved)).name
    (run.node(0) / "run").mkdir(parents=True)
    (run.node(0) / f"run/.{kind}.tmp").write_text("in the way")
    assert run.finish() == [1, 1]
    for rank in (0, 1):
        assert f".{kind}.tmp" in run.events(rank, Error)[-1].message
    assert not (run.node(0) / "run" / kind).exists()


def test_a_model_that_cannot_fit_is_refused_before_it_is_loaded(
    trained: Run, tmp_path: Path
) -> None:
    (tiny,) = (trained.caches / "node-0").glob("tiny-llama-*")
    huge = tmp_path / "huge"
    shutil.copytree(tiny, huge)
    shape = json.loads((huge / "config.json").read_text())
    shape |= {"hidden_size": 16384, "intermediate_size": 65536, "num_hidden_layers": 400}
    (huge / "config.json").write_text(json.dumps(shape))
    config = trained.config | {"model": {"name": str(huge), "dtype": "float32"}}
    run = Run(tmp_path / "run", trained.caches, config, 2)
    assert run.finish() == [78, 78]
    (error,) = run.events(1, Error)
    assert error.code == "does_not_fit"
    assert "GiB on every node; the smallest has" in error.message


def sha256_of(model: Any, base: Path) -> str:
    total, weights = hashlib.sha256(), dict(model.named_parameters())
    for tensor in tensors_of(base):
        total.update(f"{tensor.name}\0{tensor.shape}\0".encode())
        total.update(weights[tensor.name].detach().numpy().tobytes())
    return total.hexdigest()


def loss_of(model: Any, tokenizer: Path) -> float:
    """Mean loss of some of the facts that were trained on."""
    import torch
    from transformers import AutoTokenizer

    from tests.support.tokens import sequences_of
    from training.contract.config import Data
    from training.data.tokenizer import encoder_of

    settings = Data.model_validate(TINY["data"])
    encoder = encoder_of(AutoTokenizer.from_pretrained(tokenizer))
    rows = sequences_of(settings, encoder).train
    with torch.no_grad():
        losses = [
            float(model(torch.tensor([r.input_ids]), labels=torch.tensor([r.labels])).loss)
            for r in rows[:40]
        ]
    return sum(losses) / len(losses)
