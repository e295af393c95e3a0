"""The estimate as arithmetic: what others measured, and what a strategy is chosen from."""

from typing import Any

import pytest

from tests.support.published import PUBLISHED
from training.contract.config import TrainingConfig
from training.plan.estimate import Strategy, Work, memory, one_layer, trained, with_adapters
from training.plan.known import KNOWN
from training.plan.memory import GIB, Memory
from training.plan.shape import Shape
from training.plan.strategy import choose
from training.plan.throughput import flops_per_token, link_bytes, pace
from training.plan.understand import understand

SPARK = 119 * GIB
LARGE = KNOWN["meta-llama/Llama-3.1-70B-Instruct"]


def config(method: dict[str, Any] | None = None, **sections: dict[str, Any]) -> TrainingConfig:
    document: dict[str, Any] = {
        "model": {"name": "meta-llama/Llama-3.1-70B-Instruct"},
        "method": method or {"kind": "lora", "r": 16},
        "data": {"name": "tatsu-lab/alpaca", "max_length": 4096},
        "loop": {"per_device_batch_size": 1, "gradient_checkpointing": True},
    }
    for name, values in sections.items():
        document[name] = document.get(name, {}) | values
    return TrainingConfig.model_validate(document)


@pytest.mark.parametrize(
    ("name", "billions"),
    [
        ("meta-llama/Llama-3.2-1B", 1.236),
        ("meta-llama/Llama-3.2-3B", 3.213),
        ("meta-llama/Llama-3.1-8B", 8.030),
        ("meta-llama/Llama-3.3-70B-Instruct", 70.554),
        ("Qwen/Qwen3-8B", 8.191),
    ],
)
def test_the_known_shapes_have_as_many_weights_as_published(name: str, billions: float) -> None:
    found = KNOWN[name].parameters / 1e9
    assert found == pytest.approx(billions, abs=0.0005)


def test_70b_on_two_sparks_is_what_the_design_expects() -> None:
    """training-facts of the design: 65.7 GiB of weights, 86 to 90 in all at 4096 tokens."""
    needed = memory(LARGE, config(), "sharded", 2)
    assert needed.terms["weights"] / GIB == pytest.approx(65.7, abs=0.05)
    assert trained(LARGE, config().method) == pytest.approx(207e6, rel=0.01)
    assert 86 <= needed.peak / GIB <= 90
    assert sum(needed.terms.values()) == needed.peak
    assert needed.least < needed.peak


def test_short_rows_take_less() -> None:
    """unsloth measured 69.7 GiB for 70B at 512 tokens, split by layers: nothing gathered."""
    short = memory(LARGE, config(), "sharded", 2, work=Work(512, 512))
    own = short.peak - short.terms["gathered"]
    assert own / GIB == pytest.approx(69.7, rel=0.06)


def test_the_pace_of_70b_on_two_sparks() -> None:
    """Full rows hide the link behind the computing; of short ones the weights go through memory
    for nothing, which takes longer than the link."""
    full = pace(LARGE, config(), "sharded", 2)
    assert full.bound == "computing"
    assert 200 <= 2 * 4096 / full.seconds <= 300
    short = pace(LARGE, config(), "sharded", 2, work=Work(520, 520))
    assert short.bound == "memory"
    assert 80 <= 2 * 520 / short.seconds <= 130, "findings: 91 to 126"
    assert 6 < short.link < 8, "two gathers of the other half, 141 GB at 20.4 GB/s"


@pytest.mark.parametrize("passes", [1, 8])
@pytest.mark.parametrize("strategy", ["ddp", "sharded"])
def test_gradients_of_adapters_on_experts_travel_once_a_step(
    strategy: Strategy, passes: int
) -> None:
    shape = understand(PUBLISHED["Qwen/Qwen3-30B-A3B"]["config"])
    every, others = (
        config({"kind": "lora", "r": 16, "exclude": exclude}, data={"max_length": 2048})
        for exclude in ([], ["experts"])
    )
    more = link_bytes(shape, every, strategy, 2, passes)
    more -= link_bytes(shape, others, strategy, 2, passes)
    gate_and_up, down = 2048 + 2 * 768, 768 + 2048
    assert more == 4 * 16 * 48 * 128 * (gate_and_up + down)
    assert with_adapters(shape, others) == 0 < with_adapters(shape, every)


def test_what_learns_costs_more_to_compute() -> None:
    lora, full = (flops_per_token(LARGE, config({"kind": kind})) for kind in ("lora", "full"))
    plain = flops_per_token(LARGE, config(loop={"gradient_checkpointing": False}))
    assert lora / LARGE.parameters == pytest.approx(6, rel=0.05)
    assert full / LARGE.parameters == pytest.approx(8, rel=0.05)
    assert plain / LARGE.parameters == pytest.approx(4, rel=0.05)


def test_four_bits_are_a_quarter_of_sixteen() -> None:
    small = memory(LARGE, config({"kind": "qlora"}), "ddp", 2).terms["weights"]
    assert 35 < small / GIB < 42


def test_full_fine_tuning_takes_sixteen_bytes_a_weight_on_several_nodes_too() -> None:
    shape = KNOWN["meta-llama/Llama-3.2-3B"]
    alone, two = (memory(shape, config({"kind": "full"}), "ddp", ranks) for ranks in (1, 2))
    assert sum(alone.held.values()) - alone.held["runtime"] == 16 * shape.parameters
    assert two.least == alone.least  # gradients are in DDP's buckets, and nowhere else
    shared = memory(shape, config({"kind": "full"}), "sharded", 2)
    assert shared.least - shared.held["runtime"] == 8 * shape.parameters


@pytest.mark.parametrize(
    ("method", "wanted", "ranks", "shape", "chosen"),
    [
        ("lora", "auto", 1, LARGE, "ddp"),
        ("lora", "sharded", 1, LARGE, "ddp"),
        ("lora", "auto", 2, LARGE, "sharded"),
        ("lora", "ddp", 2, LARGE, "ddp"),
        ("qlora", "auto", 2, LARGE, "ddp"),
        ("lora", "auto", 2, KNOWN["meta-llama/Llama-3.1-8B"], "ddp"),
        ("full", "auto", 2, KNOWN["meta-llama/Llama-3.1-8B"], "sharded"),
        ("full", "auto", 2, KNOWN["meta-llama/Llama-3.2-3B"], "ddp"),
        ("lora", "sharded", 2, KNOWN["meta-llama/Llama-3.1-8B"], "sharded"),
    ],
)
def test_the_strategy(
    method: str, wanted: Strategy, ranks: int, shape: Shape, chosen: Strategy
) -> None:
    document = config({"kind": method}, parallel={"strategy": wanted})
    assert choose(document, ranks, shape, 0, SPARK) == chosen


def test_of_an_unknown_model_the_files_decide() -> None:
    assert choose(config(), 2, None, 140 * GIB, SPARK) == "sharded"
    assert choose(config(), 2, None, 16 * GIB, SPARK) == "ddp"


def test_in_full_fine_tuning_what_learns_decides_not_how_large_the_files_are() -> None:
    """Qwen3 14B: 28 GiB of files, 221 GiB to train."""
    full = config({"kind": "full"})
    assert choose(full, 2, None, 28 * GIB, SPARK) == "sharded"
    assert choose(full, 2, None, 2 * GIB, SPARK) == "ddp"


def test_tied_embeddings_can_be_sharded() -> None:
    shape, full = KNOWN["meta-llama/Llama-3.2-3B"], config({"kind": "full"})
    assert shape.tied
    assert choose(full, 2, shape, 0, 60 * GIB) == "sharded"


QWEN = {
    "model_type": "qwen3_moe", "hidden_size": 2048, "intermediate_size": 6144,
    "moe_intermediate_size": 768, "num_hidden_layers": 48, "num_attention_heads": 32,
    "num_key_value_heads": 4, "head_dim": 128, "num_experts": 128, "num_experts_per_tok": 8,
    "vocab_size": 151936, "tie_word_embeddings": False,
}  # fmt: skip


def test_of_experts_those_are_computed_that_a_token_uses() -> None:
    """A tenth of the weights works on a token, all of them lie in memory."""
    shape = understand(QWEN)
    assert memory(shape, config(), "ddp", 1).terms["weights"] == 2 * shape.parameters
    assert flops_per_token(shape, config()) < 8 * shape.active
    assert memory(shape, config({"kind": "qlora"}), "ddp", 1).terms["weights"] > (
        2 * sum(one.weights for one in shape.experts)
    ), "bitsandbytes leaves experts as they are"


def test_modules_that_are_trained_whole_count() -> None:
    method = {"kind": "lora", "r": 16, "modules_to_save": ["embed_tokens", "lm_head"]}
    ends = trained(LARGE, config(method).method) - trained(LARGE, config().method)
    assert ends == 2 * LARGE.embedding


def test_averages_in_a_byte_each_take_a_quarter() -> None:
    shape = KNOWN["meta-llama/Llama-3.1-8B"]
    small = config({"kind": "full"}, optim={"name": "adamw_8bit"})
    held = memory(shape, small, "ddp", 1).held
    assert 2 * shape.parameters < held["optimizer"] < 2.1 * shape.parameters


def test_adapters_on_experts_cost_a_copy_of_them() -> None:
    shape = understand(QWEN)
    plain = memory(shape, config({"kind": "lora", "r": 8, "targets": ["q_proj"]}), "ddp", 1)
    every = memory(shape, config({"kind": "lora", "r": 8, "targets": ["down_proj"]}), "ddp", 1)
    assert "experts with adapters" not in plain.terms
    layer = 2 * 128 * 768 * 2048
    assert every.terms["experts with adapters"] == 2 * layer
    assert every.terms["adapter"] == 4 * 48 * 128 * 8 * (768 + 2048)
    dropped = config({"kind": "lora", "dropout": 0.1})
    assert "experts with adapters" not in memory(shape, dropped, "ddp", 1).terms


def test_gradients_of_a_whole_model_come_as_activations_go() -> None:
    shape = KNOWN["meta-llama/Llama-3.2-3B"]
    gradients = 4 * shape.parameters
    long, short = Work(8192, 8192), Work(8, 8)
    full, again = (
        config(
            {"kind": "full"},
            loop={"gradient_checkpointing": False, "gradient_accumulation_steps": passes},
        )
        for passes in (1, 2)
    )
    once, left = (memory(shape, one, "ddp", 1, work=long) for one in (full, again))
    assert "gradients" not in once.terms and left.terms["gradients"] == gradients
    assert left.peak == once.peak + gradients  # of the pass before
    assert memory(shape, full, "ddp", 2, work=long).peak == left.peak  # DDP's buckets
    little = memory(shape, full, "ddp", 1, work=short)
    assert little.least < little.peak < 1.01 * little.least
    assert little.terms["gradients"] == gradients


@pytest.mark.parametrize("ranks", [1, 2])
def test_where_all_is_computed_again_a_pass_ends_with_all_gradients_and_a_layer(ranks: int) -> None:
    """So what is computed again saves nothing of the gradients."""
    shape = KNOWN["meta-llama/Llama-3.2-3B"]
    again = config({"kind": "full"}, loop={"gradient_checkpointing": True})
    strategy: Strategy = "sharded" if ranks > 1 else "ddp"
    found = memory(shape, again, strategy, ranks, work=Work(2048, 2048))
    assert found.terms["gradients"] == 4 * shape.parameters // ranks
    assert found.peak == found.least + one_layer(shape, again, Work(2048, 2048)) + found.terms.get(
        "gathered", 0
    )


def test_the_terms_are_told_largest_first() -> None:
    assert list(Memory({"a": 1, "b": 3, "c": 0}, {"d": 2}).terms) == ["b", "d", "a"]
