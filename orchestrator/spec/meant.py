"""Which key somebody may have meant: by the words of other tools, by its last name, by likeness."""

from collections.abc import Iterable
from difflib import get_close_matches
from functools import cache

from orchestrator.spec.describe import keys_of
from orchestrator.spec.sections import Section

_LIKE = 0.65  # of 1: `shh` is ssh, `name` is not fabric
_MANY = 4

_ELSEWHERE = {
    "learning_rate": "lr",
    "lr_scheduler": "schedule",
    "lr_scheduler_type": "schedule",
    "scheduler": "schedule",
    "warmup": "warmup_steps",
    "max_norm": "max_grad_norm",
    "gradient_clipping": "max_grad_norm",
    "batch_size": "per_device_batch_size",
    "micro_batch_size": "per_device_batch_size",
    "local_batch_size": "per_device_batch_size",
    "per_device_train_batch_size": "per_device_batch_size",
    "gradient_accumulation": "gradient_accumulation_steps",
    "grad_accum": "gradient_accumulation_steps",
    "num_epochs": "epochs",
    "num_train_epochs": "epochs",
    "steps": "max_steps",
    "packing": "batching",
    "eval_steps": "eval_every",
    "logging_steps": "log_every",
    "save_steps": "every",
    "save_total_limit": "keep",
    "max_seq_length": "max_length",
    "max_seq_len": "max_length",
    "seq_length": "max_length",
    "sequence_len": "max_length",
    "packed_sequence_size": "max_length",
    "rank": "r",
    "lora_rank": "r",
    "lora_r": "r",
    "lora_alpha": "alpha",
    "lora_dropout": "dropout",
    "target_modules": "targets",
    "use_dora": "dora",
    "use_rslora": "rslora",
    "lora_target": "targets",
    "lora_target_modules": "targets",
    "exclude_modules": "exclude",
    "init_lora_weights": "init",
    "lora_modules_to_save": "modules_to_save",
    "optimizer": "optim.name",
    "adam_beta1": "betas",
    "adam_beta2": "betas",
    "adam_epsilon": "eps",
    "min_learning_rate": "min_lr",
    "bf16": "dtype",
    "torch_dtype": "dtype",
    "model_name": "model.name",
    "base_model": "model.name",
    "model_name_or_path": "model.name",
    "pretrained_model_name_or_path": "model.name",
    "dataset": "data.name",
    "dataset_name": "data.name",
    "report_to": "to",
    "wandb_project": "project",
    "fsdp": "strategy",
    "image": "base_image",
    "shm_size": "shm",
    "hostname": "host",
    "ip": "host",
    "username": "user",
    "identity_file": "key",
    "hosts": "nodes",
    "machines": "nodes",
}
"""Words of trl, transformers, axolotl, NeMo, compose and ssh -> the key here, or its last parts."""


def meant_by(key: str, document: Section, section: str, known: list[str]) -> list[str]:
    """Keys that an unknown `key` may stand for, the likeliest alone or a few.

    `section` (dotted) is where it was written, and `known` are the keys there: one of them is named
    as it is, any other in full.
    """
    word = _ELSEWHERE.get(key.replace("-", "_").lower(), key)
    if word in known:
        return [word]
    itself = f"{section}.{key}"
    named = [path for path in ending(word, paths_of(document)) if path != itself]
    near = get_close_matches(key, known, n=1, cutoff=_LIKE)
    if near and word == key and len(named) != 1:
        return near
    inside = [path for path in named if path.startswith(f"{section}.")]
    return (inside or named) if len(inside or named) <= _MANY else []


def ending(name: str, paths: Iterable[str]) -> list[str]:
    """Those keys whose last parts are `name`."""
    return [path for path in paths if f".{path}".endswith(f".{name}")]


def outermost(paths: list[str]) -> list[str]:
    """Without keys of a section that stands beside a key of the same name: data.evaluation.split
    beside data.split."""
    sections = [f"{path.rpartition('.')[0]}." for path in paths]
    return [
        path
        for path in paths
        if not any(
            path.startswith(section) and path.count(".") > section.count(".")
            for section in sections
        )
    ]


@cache
def paths_of(document: Section) -> tuple[str, ...]:
    """All keys of a document, without the brackets of lists."""
    return tuple(dict.fromkeys(key.path.replace("[]", "") for key in keys_of(document)))


@cache
def single_paths_of(document: Section) -> tuple[str, ...]:
    """The keys of a document that are there once: none of a section in a list."""
    paths = dict.fromkeys(key.path.removesuffix("[]") for key in keys_of(document))
    return tuple(path for path in paths if "[]" not in path)
