"""Which layers get an adapter: the names and patterns of `method`, matched with a model's layers.

Pure: what a model has is looked up by training/model/layers.py. A plain name means the end of a
layer's name, as in peft; anything else is a regular expression of the whole name.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from training.contract.config import Lora, Qlora
from training.contract.errors import ConfigurationError
from training.contract.method import ALL_LINEAR, is_pattern, no_experts

_NEAR, _FEW = 3, 6


@dataclass(frozen=True)
class Layer:
    """What an adapter could be put on."""

    name: str
    """Of the module; of a stack of experts, of its weight."""
    weight: str | None = None
    """The weight to which peft adds the update before each use (`target_parameters`): of a stack of
    experts, and of a layer that peft would take for a part of one. None: an ordinary layer."""
    barred: str | None = None
    """Why it never gets an adapter: what it is."""

    @property
    def last(self) -> str:
        """What people call it."""
        return self.name.rpartition(".")[2]


@dataclass(frozen=True)
class Choice:
    """What gets an adapter."""

    layers: tuple[str, ...]
    """Ordinary ones."""
    weights: tuple[str, ...]
    """Of what is adapted through its weight."""
    of: int
    """All that were to choose from."""
    left_out: tuple[str, ...]
    """What gets none and why, a phrase for each reason."""


def choose(layers: Sequence[Layer], method: Lora | Qlora) -> Choice:
    """Raises ConfigurationError for a name that matches nothing, and when nothing is left."""
    everything = ALL_LINEAR in method.targets
    named = [name for name in method.targets if name != ALL_LINEAR]
    _each_matches("targets", named, layers, matches)
    _each_matches("exclude", method.exclude, layers, within)
    why_no_weights = no_experts(method)
    chosen, left_out = list[Layer](), list[tuple[str, Layer]]()
    for layer in layers:
        wanted = everything or any(matches(name, layer.name) for name in named)
        reason = layer.barred or (why_no_weights if layer.weight else None)
        if any(within(name, layer.name) for name in method.modules_to_save):
            left_out.append(("trained whole", layer))
        elif any(within(name, layer.name) for name in method.exclude):
            left_out.append(("excluded", layer))
        elif reason or not wanted:
            left_out.append((reason or "not named", layer))
        else:
            chosen.append(layer)
    _each_leads_to_one(named, chosen, left_out)
    if not chosen:
        raise _unfit(f"no layer is left to adapt: {'; '.join(_told(left_out))}", layers)
    return Choice(
        tuple(layer.name for layer in chosen if layer.weight is None),
        tuple(layer.weight for layer in chosen if layer.weight is not None),
        len(layers),
        tuple(_told(left_out)),
    )


def matches(name: str, layer: str) -> bool:
    """Whether an entry of `targets` means this layer."""
    if is_pattern(name):
        return re.fullmatch(name, layer) is not None
    return f".{layer}".endswith(f".{name}")


def within(name: str, layer: str) -> bool:
    """Whether an entry of `exclude` means this layer, or something that it is in."""
    return matches(name, layer) or (not is_pattern(name) and f".{name}." in f".{layer}.")


def shortest(chosen: Iterable[str], everything: Sequence[str], parts: int = 1) -> list[str]:
    """The chosen names as few and short ones that mean them and nothing else of `everything`.

    Where the last `parts` parts of a name mean something else, too, the whole name stays.
    """
    wanted = set(chosen)
    by_end: dict[str, list[str]] = {}
    for name in everything:
        by_end.setdefault(".".join(name.split(".")[-parts:]), []).append(name)
    ends = {".".join(name.split(".")[-parts:]) for name in wanted}
    short = {end for end in ends if all(n in wanted for n in by_end.get(end, ()))}
    rest = {name for name in wanted if ".".join(name.split(".")[-parts:]) not in short}
    return sorted(short | rest)


def _each_matches(
    key: str, names: Iterable[str], layers: Sequence[Layer], match: Callable[[str, str], bool]
) -> None:
    lost = [name for name in names if not any(match(name, layer.name) for layer in layers)]
    if lost:
        raise _unfit(f"method.{key}: nothing here is {_listed(lost)}", layers, lost)


def _each_leads_to_one(
    named: Iterable[str], chosen: Sequence[Layer], left_out: Sequence[tuple[str, Layer]]
) -> None:
    """A name that means only what never gets an adapter is a mistake, or a misunderstanding."""
    for name in named:
        if any(matches(name, layer.name) for layer in chosen):
            continue
        reason = next(why for why, layer in left_out if matches(name, layer.name))
        raise ConfigurationError(
            "method_unfit",
            f"method.targets: {name} gets no adapter: {reason}",
            "Take it out of method.targets, or change what rules it out.",
        )


def _unfit(message: str, layers: Sequence[Layer], lost: Sequence[str] = ()) -> ConfigurationError:
    known = sorted({layer.last for layer in layers if layer.barred is None})
    near = [n for name in lost for n in get_close_matches(name.split(".")[-1], known, _NEAR, 0.5)]
    offer = f"near: {', '.join(dict.fromkeys(near))}; " if near else ""
    example = next((layer.name for layer in layers if layer.barred is None), "none")
    return ConfigurationError(
        "method_unfit",
        message,
        f"{offer}this model has {', '.join(known) or 'no linear layers'}. A regular expression is "
        f"compared with whole names, such as {example}. method.targets all-linear takes all.",
    )


def _told(left_out: Iterable[tuple[str, Layer]]) -> Iterator[str]:
    by_reason: dict[str, Counter[str]] = {}
    for reason, layer in left_out:
        by_reason.setdefault(reason, Counter())[layer.last] += 1
    for reason, names in by_reason.items():
        yield f"{names.total()} {reason} ({_listed(list(names))})"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _FEW} more" if len(names) > _FEW else ""
    return ", ".join(names[:_FEW]) + more
