"""The language model is found within a wrapper; towers are outside."""

from typing import Any

import pytest

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]

TEXT: dict[str, Any] = {
    "vocab_size": 64, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1,
    "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 16,
}  # fmt: skip


def test_a_wrapper_s_decoder_and_output_layer_are_text_and_its_towers_are_not() -> None:
    import torch
    from transformers import Gemma3Config, Gemma3ForConditionalGeneration

    from training.model.language import is_text, text_modules

    vision = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "image_size": 28,
              "num_attention_heads": 2, "patch_size": 14}  # fmt: skip
    with torch.device("meta"):
        model = Gemma3ForConditionalGeneration(
            Gemma3Config(text_config=TEXT, vision_config=vision, mm_tokens_per_image=4)
        )
    parts = text_modules(model)
    assert parts == ("model.language_model", "lm_head")
    names = [name for name, _ in model.named_parameters()]
    towers = [name for name in names if not is_text(name, parts)]
    assert {name.split(".")[1] for name in towers} == {"vision_tower", "multi_modal_projector"}
    assert not is_text("model.language_model_2.weight", parts)


def test_a_model_of_text_alone_is_text_throughout() -> None:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from training.model.language import is_text, text_modules

    with torch.device("meta"):
        model = LlamaForCausalLM(LlamaConfig(**TEXT))
    assert text_modules(model) == ("",)
    assert all(is_text(name, ("",)) for name, _ in model.named_parameters())
