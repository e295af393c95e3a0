"""accelerate's configuration for the ranks of a script: one of ours, or a file of the user's."""

import re
from collections.abc import Mapping
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from orchestrator.spec.document import read_document
from orchestrator.spec.parse import parse_document
from orchestrator.spec.script import ScriptSpec

_RANKS = "ranks.yml"
_SHARDS = {"FSDP", "DEEPSPEED"}


def settings_of(script: ScriptSpec) -> dict[str, Any]:
    """What it says, but for machines and ranks. Raises SpecError for a file that is none."""
    ours = tuple(parse_document(_placeless(), source=_RANKS).data)
    if script.own_accelerate:
        file = Path(script.accelerate)
        document = read_document(
            file,
            what="accelerate configuration",
            resolution="`accelerate config` writes one; ddp, fsdp-full and fsdp-lora need no file.",
            # Before it is read: what NVIDIA's files have there, `< …: specify IP >`, is no YAML.
            prepare=partial(re.sub, rf"(?m)^({'|'.join(ours)}):.*$", ""),
        )
    else:
        name = f"{script.accelerate}.yml"
        document = parse_document(_shipped(name), source=name)
    settings = {key: value for key, value in document.data.items() if key not in ours}
    if script.mixed_precision is not None:
        settings["mixed_precision"] = script.mixed_precision
    return settings


def template_of(settings: Mapping[str, Any]) -> str:
    """The whole file, with places for what differs between the ranks."""
    return yaml.safe_dump(dict(settings), sort_keys=True) + _shipped(_RANKS)


def shards(settings: Mapping[str, Any]) -> bool:
    """Whether it makes each rank hold a part of the model."""
    fsdp = _fsdp(settings)
    whole = str(fsdp.get("fsdp_sharding_strategy")) in ("NO_SHARD", "3")
    return settings.get("distributed_type") == "FSDP" and not whole


def notes_on(settings: Mapping[str, Any]) -> tuple[str, ...]:
    """What a user should know of it before a run."""
    if _fsdp(settings).get("fsdp_state_dict_type") == "SHARDED_STATE_DICT":
        note = (
            "with fsdp_state_dict_type SHARDED_STATE_DICT a trainer's save_model writes no adapter"
        )
        return (f"accelerate: {note}; FULL_STATE_DICT does",)
    return ()


def _fsdp(settings: Mapping[str, Any]) -> Mapping[str, Any]:
    section = settings.get("fsdp_config")
    return section if isinstance(section, Mapping) else {}


def _shipped(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _placeless() -> str:
    return _shipped(_RANKS).replace("{{", '"').replace("}}", '"')
