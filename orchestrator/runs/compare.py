"""Two runs side by side: settings and results. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.runs.run import Run
from orchestrator.runs.summary import summary
from training.contract.events import Result


@dataclass(frozen=True)
class Difference:
    """One line of the comparison."""

    key: str
    values: tuple[Any, Any]


@dataclass(frozen=True)
class Comparison:
    """Settings that differ, and results, equal or not."""

    runs: tuple[str, str]
    settings: tuple[Difference, ...]
    results: tuple[Difference, ...]


def compare(one: Run, other: Run) -> Comparison:
    """Settings by dotted key; what only one of them has is None in the other."""
    flat = [dict(_flat(run.record.stack)) | {"image": run.record.image} for run in (one, other)]
    nodes = [[place.node for place in run.record.ranks] for run in (one, other)]
    for settings, names in zip(flat, nodes, strict=True):
        settings["nodes"] = ", ".join(names)
    keys = sorted({*flat[0], *flat[1]})
    pairs = [(key, (flat[0].get(key), flat[1].get(key))) for key in keys]
    results = [_results(run) for run in (one, other)]
    return Comparison(
        (one.name, other.name),
        tuple(Difference(key, values) for key, values in pairs if values[0] != values[1]),
        tuple(
            Difference(key, (results[0].get(key), results[1].get(key)))
            for key in dict.fromkeys([*results[0], *results[1]])
        ),
    )


def _results(run: Run) -> dict[str, Any]:
    report = summary(run)
    result = run.ranks[0].last(Result) if 0 in run.ranks else None
    peaks = (result.memory if result else None) or {}
    return {
        "state": report.state,
        "step": report.step,
        "attempts": report.attempts,
        "training loss": report.loss,
        "held-out loss before": result.eval_loss_first if result else None,
        "held-out loss after": result.eval_loss_last if result else report.eval_loss,
        "tokens/s": report.tokens_per_second,
        "tokens": result.tokens if result else None,
        "peak memory (bytes)": result.memory_peak if result else None,
        "seconds": result.seconds if result else None,
        "weights sha256": result.weights_sha256 if result else None,
    } | {f"peak memory, {kind} (bytes)": size for kind, size in peaks.items()}


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
