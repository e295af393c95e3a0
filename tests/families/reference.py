"""What transformers and peft alone make of a checkpoint: the losses that a run must have."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoTokenizer

from tests.support.tokens import sequences_of
from training.contract.config import Data
from training.data.tokenizer import encoder_of
from training.tokens.tokens import IGNORED, Tokens


def held_out(folder: Path, settings: Mapping[str, Any], ranks: int) -> Sequence[Tokens]:
    """The rows on which a run of these settings evaluates."""
    chosen = Data.model_validate(settings)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    return sequences_of(chosen, encoder_of(tokenizer), ranks).held_out


def plain_model(auto: str, folder: Path) -> Any:
    """`from_pretrained` of this class, in float32."""
    import transformers

    return getattr(transformers, auto).from_pretrained(folder, dtype=torch.float32).eval()


def with_adapter(model: Any, adapter: Path) -> Any:
    """The model with an adapter, as peft alone loads it; every weight of the file finds a place."""
    from peft import PeftModel
    from safetensors.torch import load_file

    loaded = PeftModel.from_pretrained(model, adapter).eval()
    learned = sum(w.numel() for name, w in loaded.named_parameters() if ".lora_" in name)
    there = sum(w.numel() for w in load_file(adapter / "adapter_model.safetensors").values())
    assert learned == there, f"peft made {learned} weights of the {there} in the adapter's file"
    return loaded


@torch.no_grad()
def loss(model: Any, rows: Sequence[Tokens]) -> float:
    """Mean loss of the tokens that count, from logits: no router's loss in it. Row by row."""
    total, count = 0.0, 0
    for row in rows:
        ids, labels = torch.tensor([row.input_ids]), torch.tensor(row.labels[1:])
        logits = model(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False).logits
        wanted = labels != IGNORED
        losses = torch.nn.functional.cross_entropy(
            logits[0, :-1].float(), labels, ignore_index=IGNORED, reduction="sum"
        )
        total, count = total + float(losses), count + int(wanted.sum())
    return total / count
