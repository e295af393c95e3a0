"""The model card: README.md beside the saved weights, in the format that model hubs read. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import yaml

from training.contract.config import Data, Full, Optim, TrainingConfig
from training.contract.counts import DataCounts, sentence
from training.contract.names import source_of
from training.contract.source import Evaluation, Source

PIPE = r"\|"
"""As a cell of a table has it."""


@dataclass(frozen=True)
class CardFacts:
    """The facts of a run that the card lists, as the ranks agreed on them."""

    run_id: str
    world_size: int
    strategy: str
    steps: int
    kept_step: int
    """The one after which the weights were as they are saved."""
    tokens: int
    """Real tokens of all ranks together."""
    loss_before: float
    loss_after: float
    """Held-out losses, mean nats per loss token."""
    base_sha256: str
    data_key: str
    data: DataCounts
    libraries: str
    """`torch=… transformers=…`"""
    auto: str = "AutoModelForCausalLM"
    """The class of transformers that loads the base."""


def model_card(config: TrainingConfig, facts: CardFacts, weights_sha256: str) -> str:
    """The text. Of a node's folder only the last part is named; the rest would mean nothing."""
    base = _public(config.model.name)
    sets = [name for name in config.data.named.values() if source_of(name) == "hub"]
    full = isinstance(config.method, Full)
    method = {"full": "full fine-tuning", "lora": "LoRA", "qlora": "QLoRA"}[config.method.kind]
    front: dict[str, Any] = {
        **({"base_model": base} if source_of(config.model.name) == "hub" else {}),
        **({"datasets": list(dict.fromkeys(sets))} if sets else {}),
        "library_name": "transformers" if full else "peft",
        "pipeline_tag": "text-generation",
        "tags": [config.method.kind, "sparkctl"],
    }
    kept = ""
    if facts.kept_step != facts.steps:
        kept = f"; these weights are of step {facts.kept_step}, the lowest held-out loss"
    found = sentence(facts.data.model_copy(update={"bad_places": ()}))  # of a node's folders
    rows = {
        "base": f"{base}, revision {config.model.revision}, sha256 {facts.base_sha256[:16]}",
        "method": f"{method} {_settings(config)}".strip(),
        "data": f"{_data(config.data)}: {found}; key {facts.data_key[:16]}",
        "optimizer": _optimizer(config.optim),
        "steps": f"{facts.steps} ({facts.tokens:,} tokens without padding)" + kept,
        "ranks": f"{facts.world_size} ({facts.strategy})",
        "held-out loss": f"{facts.loss_before:.4f} before, {facts.loss_after:.4f} after",
        "run": facts.run_id,
        "weights": f"sha256 {weights_sha256}, the same on all ranks",
        "libraries": facts.libraries,
    }
    lines = [f"| {name} | {text.replace('|', PIPE)} |" for name, text in rows.items()]
    return "\n".join(
        [
            "---",
            yaml.safe_dump(front, sort_keys=False).rstrip(),
            "---",
            "",
            f"# {base}, {method}",
            "",
            "| | |",
            "|---|---|",
            *lines,
            "",
            "```python",
            *(_whole(facts.auto) if full else _adapter(base, config.model.revision, facts.auto)),
            "```",
            "",
        ]
    )


def _whole(auto: str) -> tuple[str, ...]:
    return (
        f"from transformers import {auto}, AutoTokenizer",
        "",
        f'model = {auto}.from_pretrained(".")',
        'tokenizer = AutoTokenizer.from_pretrained(".")',
    )


def _adapter(base: str, revision: str, auto: str) -> tuple[str, ...]:
    return (
        "from peft import PeftModel",
        f"from transformers import {auto}, AutoTokenizer",
        "",
        f'base = {auto}.from_pretrained("{base}", revision="{revision}")',
        'model = PeftModel.from_pretrained(base, ".")',
        'tokenizer = AutoTokenizer.from_pretrained(".")',
    )


def _public(name: str) -> str:
    return PurePosixPath(name).name if source_of(name) == "path" else name


def _data(data: Data) -> str:
    """Every source, and what of it was read."""
    several = len(data.training_sources) > 1
    told = [
        _place(source) + (f", share {source.share:g}" if several else "")
        for source in data.training_sources
    ]
    if data.evaluation is not None:
        told.append(f"evaluated on {_place(data.evaluation)}")
    return "; ".join(told)


def _place(place: Source | Evaluation) -> str:
    config = f" {place.config}" if place.config else ""
    return f"{_public(place.name)}{config}, split {place.split}"


def _settings(config: TrainingConfig) -> str:
    """Of the method, without what is switched off or empty."""
    settings: Mapping[str, Any] = config.method.model_dump(mode="json", exclude={"kind"})
    return ", ".join(
        f"{key} {_plain(value)}"
        for key, value in settings.items()
        if value is not None and value is not False and value != []
    )


def _plain(value: Any) -> str:
    if value is True:
        return "yes"
    if isinstance(value, list):
        return " ".join(map(str, value))
    is_path = isinstance(value, str) and source_of(value) == "path"
    return _public(value) if is_path else str(value)


def _optimizer(optim: Optim) -> str:
    end = f" to {optim.min_lr:g}" if optim.min_lr else ""
    warmup = f"{optim.warmup_steps} warm-up steps"
    if optim.warmup_ratio:
        warmup = f"{optim.warmup_ratio:.0%} of the steps to warm up"
    name = {"adamw": "AdamW", "adamw_8bit": "AdamW in 8 bits"}[optim.name]
    return f"{name}, learning rate {optim.lr:g}, {optim.schedule}{end}, {warmup}"
