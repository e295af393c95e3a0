"""One rank of ours and a plain script of trl: the same losses, norms, rates and weights."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from training.contract.config import TrainingConfig
from training.contract.errors import ConfigurationError

torch = pytest.importorskip("torch")

from datasets import Dataset  # noqa: E402
from transformers import AutoModelForCausalLM, LlamaConfig, MixtralConfig, set_seed  # noqa: E402
from trl import SFTConfig, SFTTrainer  # noqa: E402

from tests.support.ranks.alone import CPU, Told, alone  # noqa: E402
from training.builtin.tiny import make_tokenizer  # noqa: E402
from training.loop.optimizer import make_optimizer  # noqa: E402
from training.loop.training import Training  # noqa: E402
from training.tokens.tokens import Tokens  # noqa: E402

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]

STEPS = 6
ROWS = tuple(
    Tokens(row, [-100, *row[1:]])
    for row in (list(range(3 + n, 3 + n + length)) for n, length in enumerate((4, 9, 2, 17, 6, 11)))
)
"""Of unequal lengths; a batch takes all, so that their order in it is all that may differ."""
SIZES: dict[str, Any] = {
    "vocab_size": 64, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "tie_word_embeddings": False,
    "pad_token_id": 0,
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def group() -> Iterator[None]:
    """A group of one for trl."""
    from accelerate.state import AcceleratorState

    AcceleratorState._reset_state(reset_partial_state=True)
    torch.distributed.init_process_group(
        "gloo", store=torch.distributed.HashStore(), rank=0, world_size=1
    )
    yield
    torch.distributed.destroy_process_group()
    AcceleratorState._reset_state(reset_partial_state=True)


def model(kind: str = "llama") -> Any:
    set_seed(1)
    experts = {"num_local_experts": 4, "num_experts_per_tok": 2}
    config = LlamaConfig(**SIZES) if kind == "llama" else MixtralConfig(**SIZES, **experts)
    return AutoModelForCausalLM.from_config(config).float()


def settings(**optim: object) -> TrainingConfig:
    return TrainingConfig.model_validate(
        {
            "model": {"name": "builtin:tiny-llama", "dtype": "float32"},
            "method": {"kind": "full"},
            "data": {"name": "builtin:instructions", "max_length": 32},
            "optim": {"lr": 1e-2} | optim,
            "loop": {"max_steps": STEPS, "per_device_batch_size": len(ROWS)},
        }
    )


def ours(
    config: TrainingConfig, base: Any, folder: Path, held_out: Any = ROWS[:2]
) -> tuple[Training, Told]:
    return alone(base, ROWS, held_out, config, folder, "padded")


def trl_s(base: Any, folder: Path, **options: Any) -> Any:
    rows = [{"input_ids": row.input_ids, "labels": row.labels} for row in ROWS]
    trainer = SFTTrainer(
        model=base,
        args=SFTConfig(
            str(folder), max_steps=STEPS, per_device_train_batch_size=len(ROWS), logging_steps=1,
            bf16=False, use_cpu=True, report_to=[], save_strategy="no", max_length=None,
            gradient_checkpointing=False, **{"learning_rate": 1e-2} | options,
        ),
        train_dataset=Dataset.from_list(rows),
        processing_class=make_tokenizer(),
    )  # fmt: skip
    trainer.train()
    return trainer


OPTIONS: dict[str, tuple[dict[str, object], dict[str, object]]] = {
    "as it is": ({}, {}),
    "weight decay": ({"weight_decay": 0.5}, {"weight_decay": 0.5}),
    "betas": ({"betas": [0.8, 0.95]}, {"adam_beta1": 0.8, "adam_beta2": 0.95}),
    "eps": ({"eps": 1e-3}, {"adam_epsilon": 1e-3}),
    "warm-up share": ({"warmup_ratio": 0.3}, {"warmup_steps": 0.3}),
    "warm-up steps": ({"warmup_steps": 3}, {"warmup_steps": 3}),
    "cosine": ({"schedule": "cosine"}, {"lr_scheduler_type": "cosine"}),
    "cosine to an end": (
        {"schedule": "cosine", "min_lr": 2e-3, "warmup_ratio": 0.2},
        {"lr_scheduler_type": "cosine_with_min_lr", "lr_scheduler_kwargs": {"min_lr": 2e-3},
         "warmup_steps": 0.2},
    ),
    "a line to an end": (
        {"min_lr": 2e-3},
        {"lr_scheduler_type": "polynomial", "lr_scheduler_kwargs": {"lr_end": 2e-3, "power": 1}},
    ),
    "constant": ({"schedule": "constant"}, {"lr_scheduler_type": "constant"}),
    "constant after a warm-up": (
        {"schedule": "constant", "warmup_steps": 2},
        {"lr_scheduler_type": "constant_with_warmup", "warmup_steps": 2},
    ),
    "8 bits": ({"name": "adamw_8bit"}, {"optim": "adamw_bnb_8bit"}),
}  # fmt: skip


@pytest.mark.parametrize("option", OPTIONS)
def test_the_optimizer_is_trl_s(option: str, tmp_path: Path) -> None:
    if option == "8 bits":
        pytest.importorskip("bitsandbytes")
    asked, plain = OPTIONS[option]
    here, there = model(), model()
    training, log = ours(settings(**asked), here, tmp_path)
    training.train()
    history = [e for e in trl_s(there, tmp_path, **plain).state.log_history if "loss" in e]
    for step, other in zip(log.steps, history, strict=True):
        assert step.loss == pytest.approx(other["loss"], rel=1e-6)
        assert step.grad_norm == pytest.approx(other["grad_norm"], rel=1e-5)
        assert step.lr == other["learning_rate"]
    for (name, weight), other in zip(here.named_parameters(), there.parameters(), strict=True):
        assert torch.allclose(weight, other, atol=2e-4 if option == "8 bits" else 1e-6), name


def test_each_option_changes_the_outcome(tmp_path: Path) -> None:
    """Else equal figures would prove nothing."""
    seen = set()
    for option, (asked, _) in OPTIONS.items():
        if option == "8 bits":
            continue
        training, log = ours(settings(**asked), model(), tmp_path)
        training.train()
        seen.add(tuple((step.loss, step.lr) for step in log.steps))
    assert len(seen) == len(OPTIONS) - 1


def test_router_loss_is_for_training_alone(tmp_path: Path) -> None:
    here, there = model("mixtral"), model("mixtral")
    for base in (here, there):
        base.config.router_aux_loss_coef = 0.5
    training, log = ours(settings(lr=1e-3), here, tmp_path, ROWS)
    before = training.evaluate()
    assert before == pytest.approx(loss_of(model("mixtral")), rel=1e-6)
    training.train()
    plain = trl_s(there, tmp_path, learning_rate=1e-3)
    history = [e for e in plain.state.log_history if "loss" in e]
    assert [s.loss for s in log.steps] == pytest.approx([e["loss"] for e in history], rel=1e-6)
    assert log.steps[0].loss > before + 0.4  # the router's, of one layer at least


def loss_of(base: Any) -> float:
    """Mean of a token, row by row."""
    total = tokens = 0.0
    for row in ROWS:
        labels = torch.tensor([row.labels])
        with torch.no_grad():
            loss = base.eval()(input_ids=torch.tensor([row.input_ids]), labels=labels).loss
        count = int((labels[:, 1:] != -100).sum())
        total, tokens = total + float(loss) * count, tokens + count
    return total / tokens


def test_a_machine_without_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    optim = pytest.importorskip("bitsandbytes.optim")

    def broken(*_: object) -> None:
        raise RuntimeError("no kernel image\nat all")

    monkeypatch.setattr(optim.AdamW8bit, "step", broken)
    with pytest.raises(ConfigurationError, match="adamw_8bit does not run on this machine") as told:
        make_optimizer(model(), settings(name="adamw_8bit").optim, CPU)
    assert (told.value.code, "\n" in told.value.message) == ("optimizer_unfit", False)
