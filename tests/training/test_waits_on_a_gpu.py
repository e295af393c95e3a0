"""Nothing in a step waits for a GPU: torch says where the host would. Skipped without one.

Of rows without padding: transformers looks at a mask of padding.
"""

from typing import Any

import pytest

from training.contract.config import TrainingConfig

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]


def test_a_step_waits_for_nothing() -> None:
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("needs a GPU")
    learner, works = _learner()
    learner.learn(next(works), lambda: None)  # the first chooses kernels
    work = next(works)
    torch.cuda.set_sync_debug_mode("error")
    try:
        learner.learn(work, lambda: None)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert learner.read().loss > 0


def _learner() -> tuple[Any, Any]:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from training.data.batching import shape
    from training.loop.batch_plan import BatchPlan
    from training.loop.feeding import feed
    from training.loop.learner import Learner
    from training.loop.step_timer import StepTimer
    from training.model import adapter, attention
    from training.model.checkpointing import recompute
    from training.tokens.tokens import Sequences, TokenList, Tokens

    config = TrainingConfig.model_validate(
        {
            "model": {"name": "builtin:tiny-llama"},
            "data": {"name": "builtin:instructions", "max_length": 64},
            "loop": {"max_steps": 4, "per_device_batch_size": 4, "gradient_accumulation_steps": 2},
        }
    )
    sizes = {"vocab_size": 512, "hidden_size": 256, "intermediate_size": 512}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "num_hidden_layers": 2}
    gpu = torch.device("cuda")
    base = LlamaForCausalLM(LlamaConfig(**sizes, **heads)).to(gpu, torch.bfloat16)
    model = adapter.attach(base, config.method, 0).model  # type: ignore[arg-type]
    chosen = attention.choose_batching("padding-free", model)
    recompute(model, True)
    rows = TokenList.of(
        Tokens(ids, [-100] * 5 + ids[5:]) for ids in (list(range(3, 13 + n)) for n in range(40))
    )
    cut, collate = shape(config, 1, chosen), attention.collate(model)
    plan = BatchPlan.of(Sequences(rows, rows[:2]), config, cut, collate)
    learner = Learner(model, config, plan.steps, 1, gpu, StepTimer())
    return learner, feed(plan, 0, 0, pin=True)
