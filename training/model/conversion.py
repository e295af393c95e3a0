"""From the weights in a checkpoint's files to those of the model: transformers' own conversion.

The names in files are not always those of the model, and some weights of the files are one weight
of the model (the experts of a layer). transformers keeps the rules; here they are applied to names,
shapes and formats first, so that whatever does not fit is known before anything is read.
"""

from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from transformers import PreTrainedModel
from transformers.conversion_mapping import get_model_conversion_mapping
from transformers.core_model_loading import (
    WeightConverter,
    WeightRenaming,
    dot_natural_key,
    rename_source_key,
)
from transformers.modeling_utils import str_to_torch_dtype
from transformers.utils.loading_report import LoadStateDictInfo

from training.contract.errors import ConfigurationError, first_line
from training.model.weight_files import DTYPES, Tensor

Values = dict[str, list[torch.Tensor]]
"""Tensors by the pattern of the conversion that their names matched."""

RESAVE = "Fetch the model again; if that does not help, it needs another transformers."


@dataclass(frozen=True)
class Group:
    """Weights of the files, and what the model has instead of them."""

    sources: Mapping[str, tuple[str, ...]]
    """Names in the files by pattern, in the order in which transformers takes them."""
    targets: Mapping[str, torch.Size]
    """Names in the model; shapes of what the conversion makes."""
    converter: WeightConverter | None
    """None: one weight under another name, or the same."""

    @property
    def names(self) -> tuple[str, ...]:
        """Of all its weights in the files."""
        return tuple(name for names in self.sources.values() for name in names)

    def convert(self, model: PreTrainedModel, values: Values) -> dict[str, torch.Tensor]:
        """The model's weights from those of the files; all of them, or the same rows of each."""
        first = next(iter(self.targets), "")
        if self.converter is None:
            (((value,),),) = (values.values(),)
            return {first: value}
        return _converted(self.converter, first, model, values)


@dataclass(frozen=True)
class Plan:
    """Everything that loading a checkpoint into a model takes."""

    groups: tuple[Group, ...]
    missing: frozenset[str]
    """Names of the model that no file holds: tied ones, and those that the class makes itself."""


def plan(model: PreTrainedModel, tensors: Iterable[Tensor], quantizer: Any = None) -> Plan:
    """How these weights become the model's, by transformers' own rules.

    Raises ConfigurationError for a weight that the model has not, one that it lacks, and one of
    another shape or format, by name. What the model's class ignores, this ignores.
    """
    mapping = get_model_conversion_mapping(model, None, quantizer)
    held = {tensor.name: tensor for tensor in tensors}
    state: dict[str, torch.Tensor] = model.state_dict()
    found, unexpected = _matched(model, mapping, held, state)
    groups = [
        _group(model, first, converter, sources, held, state)
        for first, (converter, sources) in found.items()
    ]
    # As from_pretrained leaves it: saving, and peft, go the same way back.
    model._weight_conversions = [rule for rule in mapping if rule.was_used()]
    missing = set(state) - {name for group in groups for name in group.targets}
    return Plan(tuple(groups), _required(model, missing, unexpected))


def _matched(
    model: PreTrainedModel,
    mapping: Sequence[Any],
    held: Mapping[str, Tensor],
    state: Mapping[str, torch.Tensor],
) -> tuple[dict[str, tuple[WeightConverter | None, dict[str, list[str]]]], set[str]]:
    """Sources by the first name in the model that they become; and those that become nothing."""
    renamings = [rule for rule in mapping if isinstance(rule, WeightRenaming)]
    converters = [rule for rule in mapping if isinstance(rule, WeightConverter)]
    by_pattern = {pattern: rule for rule in converters for pattern in rule.source_patterns}
    prefix = model.base_model_prefix
    found: dict[str, tuple[WeightConverter | None, dict[str, list[str]]]] = {}
    unexpected: set[str] = set()
    for name in sorted(held, key=dot_natural_key):
        target, pattern = rename_source_key(name, renamings, converters, prefix, state)
        if target not in state and name in state:
            target, pattern = rename_source_key(name, [], [], prefix, state)
        if target not in state:
            unexpected.add(name if pattern is None else target)
            continue
        converter = None if pattern is None else by_pattern[pattern]
        _, sources = found.setdefault(target, (deepcopy(converter), {}))
        sources.setdefault(pattern or "", []).append(name)
    return found, unexpected


def _group(
    model: PreTrainedModel,
    first: str,
    converter: WeightConverter | None,
    sources: Mapping[str, Sequence[str]],
    held: Mapping[str, Tensor],
    state: Mapping[str, torch.Tensor],
) -> Group:
    names = [name for some in sources.values() for name in some]
    kept = {pattern: tuple(some) for pattern, some in sources.items()}
    if converter is not None and len(names) == 1 and _only_unpacks(converter):
        converter = None  # it is not quantized
    if converter is None and len(names) > 1:
        raise _unfit(f"{names[0]} and {names[1]} of the files are both {first} of the model")
    if converter is not None and is_packed(converter):
        return Group(kept, {first: state[first].shape}, converter)
    dtype = state[first].dtype
    unpacks = any(_unpacks(operation) for operation in getattr(converter, "operations", ()))
    for name in () if unpacks else names:
        if dtype.is_floating_point and held[name].dtype not in DTYPES:
            raise _unfit(
                f"{name} is held in {held[name].dtype}, and nothing says how to read its numbers"
            )
    empty = {
        pattern: [
            torch.empty(
                held[name].shape,
                dtype=str_to_torch_dtype[held[name].dtype] if unpacks else dtype,
                device="meta",
            )
            for name in some
        ]
        for pattern, some in kept.items()
    }
    made = Group(kept, {first: state[first].shape}, converter).convert(model, empty)
    for name, value in made.items():
        if name not in state:
            raise _unfit(f"{names[0]} of the files becomes {name}, which the model has not")
        if value.shape != state[name].shape:
            raise _unfit(
                f"{names[0]}: the files have {tuple(value.shape)} for {name}, "
                f"the model wants {tuple(state[name].shape)}"
            )
        if dtype.is_floating_point and value.dtype not in _NUMBERS:
            raise _unfit(f"{names[0]} is held in {held[names[0]].dtype}, and its scales are absent")
    return Group(kept, {name: value.shape for name, value in made.items()}, converter)


_NUMBERS = {getattr(torch, name) for name in DTYPES.values()}


def _converted(
    converter: WeightConverter, first: str, model: PreTrainedModel, values: Values
) -> dict[str, torch.Tensor]:
    converter.collected_tensors.clear()
    converter.collected_tensors.update(values)
    try:
        made = converter.convert(first, model=model, config=model.config)
    except Exception as unfit:
        reason = first_line(unfit)
        raise _unfit(f"the files' weights of {first} do not fit together: {reason}") from unfit
    return {name: value[0] if isinstance(value, list) else value for name, value in made.items()}


def _unpacks(operation: Any) -> bool:
    """Whether it makes numbers of a quantized format; transformers marks these with a quantizer."""
    return hasattr(operation, "hf_quantizer")


def _only_unpacks(converter: WeightConverter) -> bool:
    return all(_unpacks(operation) for operation in converter.operations)


def is_packed(converter: WeightConverter | None) -> bool:
    """Whether what it makes stays quantized: then shape and format are not those of numbers."""
    if converter is None:
        return False
    return any(
        type(operation).__name__ == "Bnb4bitDeserialize" for operation in converter.operations
    )


def _required(model: PreTrainedModel, missing: set[str], unexpected: set[str]) -> frozenset[str]:
    """`missing` without a complaint, or the error that names what should not be so."""
    info = LoadStateDictInfo(
        missing_keys=set(missing), unexpected_keys=unexpected, mismatched_keys=set(),
        conversion_errors={}, error_msgs=[], skipped_pp_keys=set(),
    )  # fmt: skip
    model._adjust_missing_and_unexpected_keys(info)
    if info.unexpected_keys:
        name = min(info.unexpected_keys)
        more = len(info.unexpected_keys) - 1
        raise _unfit(
            f"the files hold {name} (and {more} more), which {type(model).__name__} has not"
        )
    lacking = {name for name in info.missing_keys if not _tied_to_one_there(model, name, missing)}
    if lacking:
        name, more = min(lacking), len(lacking) - 1
        raise _unfit(f"the files have no {name} (and {more} more)")
    return frozenset(missing)


def _tied_to_one_there(model: PreTrainedModel, name: str, missing: set[str]) -> bool:
    tied: Mapping[str, str] = model.all_tied_weights_keys
    source = tied.get(name, name)
    same = {source} | {target for target, of in tied.items() if of == source}
    return name in same and len(same) > 1 and not same <= missing


def _unfit(problem: str) -> ConfigurationError:
    return ConfigurationError("checkpoint_unfit", problem, RESAVE)
