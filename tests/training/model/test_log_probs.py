"""Scores of counted tokens are trl's to the last digits, and nobody asks the device which count."""

from typing import Any

import pytest

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]

SIZES: dict[str, Any] = {
    "vocab_size": 96, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8, "pad_token_id": 0,
}  # fmt: skip
EXPERTS = {"num_local_experts": 4, "num_experts_per_tok": 2, "router_aux_loss_coef": 0.5}
FAMILIES: dict[str, dict[str, Any]] = {
    "llama": {},
    "gemma2": {"final_logit_softcapping": 0.05},
    "cohere": {"logit_scale": 0.3},
    "granite": {"logits_scaling": 4.0},
    "mixtral": EXPERTS,
}
"""Each does something else to its logits."""


def pair(family: str) -> tuple[Any, Any]:
    """Twice the same model."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    made = []
    for _ in range(2):
        torch.manual_seed(0)
        config = AutoConfig.for_model(family, **SIZES | FAMILIES[family])
        made.append(AutoModelForCausalLM.from_config(config).float().train())
    return made[0], made[1]


def batch(pad: int | None) -> dict[str, Any]:
    from training.data.collate import Collate
    from training.tokens.tokens import Tokens

    rows = []
    for first, length in ((3, 7), (9, 2), (20, 12)):
        ids, asked = list(range(first, first + length)), length // 2
        rows.append(Tokens(ids, [-100] * asked + ids[asked:]))
    made = Collate(pad)(rows)
    made.pop("sequence_lengths", None)
    return made


@pytest.mark.parametrize("pad", [None, 0], ids=["one row", "padded"])
@pytest.mark.parametrize("family", FAMILIES)
def test_loss_and_gradients_are_those_of_trl(family: str, pad: int | None) -> None:
    from trl.trainer.utils import add_fused_lm_head

    from training.loop.feeding import scored
    from training.loop.loss import Loss

    here, there = pair(family)
    loss = Loss(here)
    add_fused_lm_head(there)
    given = batch(pad)
    routes = {"output_router_logits": True} if family == "mixtral" else {}
    expected = there(**given, **routes, use_cache=False, fused_lm_head=True)
    counted = int(expected.label_mask.sum())
    theirs = -expected.log_probs.sum() / counted
    if routes:
        theirs = theirs + 0.5 * expected.aux_loss
    ours = loss.of_training(here, scored(given), counted, 1)
    assert float(ours) == pytest.approx(float(theirs), rel=1e-6)
    ours.backward()
    theirs.backward()
    for (name, weight), other in zip(here.named_parameters(), there.parameters(), strict=True):
        assert (weight.grad is None) == (other.grad is None), name
        assert weight.grad is None or weight.grad.allclose(other.grad, atol=1e-6), name


def test_each_family_has_a_loss_of_its_own() -> None:
    """Else what is done to logits would not be seen."""
    from training.loop.feeding import scored
    from training.loop.loss import Loss

    for family, changed in (("gemma2", "final_logit_softcapping"), ("cohere", "logit_scale"),
                            ("granite", "logits_scaling")):  # fmt: skip
        losses = []
        for value in (FAMILIES[family][changed], 1.0):
            model, _ = pair(family)
            setattr(model.config, changed, value)
            losses.append(float(Loss(model).of_training(model, scored(batch(None)), 9, 1)))
        assert abs(losses[0] - losses[1]) > 1e-4, family


def test_evaluation_leaves_out_what_balances_experts() -> None:
    import torch

    from training.loop.feeding import scored
    from training.loop.loss import Loss

    model, plain = pair("mixtral")
    loss, given = Loss(model), batch(0)
    with torch.no_grad():
        ours = float(loss.of_evaluation(model, scored(given)))
        logits = plain(given["input_ids"], attention_mask=given["attention_mask"]).logits
    following = given["labels"][:, 1:]
    theirs = torch.nn.functional.cross_entropy(
        logits[:, :-1].flatten(0, 1), following.flatten(), reduction="sum"
    )
    assert ours == pytest.approx(float(theirs), rel=1e-5)


def test_a_batch_that_counts_nothing_is_a_zero_with_gradients() -> None:
    from training.loop.feeding import scored
    from training.loop.loss import Loss

    model, _ = pair("llama")
    given = batch(None)
    given["labels"].fill_(-100)
    loss = Loss(model).of_training(model, scored(given), 5, 1)
    loss.backward()
    assert float(loss) == 0
    assert all(weight.grad is None or not weight.grad.any() for weight in model.parameters())


def test_nothing_is_asked_of_the_device() -> None:
    """trl's own way asks for the places of a mask: on a GPU the host waits there."""
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode

    from training.loop.feeding import scored
    from training.loop.loss import Loss

    asked = list[str]()

    class Seen(TorchDispatchMode):
        def __torch_dispatch__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            asked.append(func.name())
            return func(*args, **(kwargs or {}))

    model, _ = pair("llama")
    loss, given = Loss(model), scored(batch(None))
    model.model.register_forward_hook(lambda *_: asked.clear())  # what layers ask is not meant
    with Seen():
        loss.of_training(model, given, 9, 1).backward()
    waits = {"aten::_local_scalar_dense", "aten::nonzero", "aten::masked_select", "aten::item",
             "aten::index.Tensor", "aten::is_nonzero", "aten::unique_dim"}  # fmt: skip
    assert "aten::index_select" in asked
    assert not {*asked} & waits
    with Seen():
        torch.ones(3)[torch.tensor([True, False, True])]
    assert {*asked} & waits  # it would be seen
