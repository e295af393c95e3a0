"""One checkpoint on two ranks, in every way that applies; compared with transformers and peft."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.families import reference
from tests.support.families import Row
from tests.support.ranks.run import Run
from training.contract.events import Error, Result
from training.merge import merge
from training.model.architecture import AUTO, architecture_of
from training.model.weight_files import files_of

RANKS = 2
NEAR = 2e-5
"""Losses of the same numbers in another order of additions may differ by this share (float32)."""
SMALL = 64 * 2**20
"""Checkpoints up to this size (bytes) are fine-tuned as a whole too."""
DATA: dict[str, Any] = {
    "name": "builtin:instructions", "template": "plain", "rows": 24, "held_out_rows": 8,
    "max_length": 160,
}  # fmt: skip


Way = tuple[str, str]
"""Method and strategy."""


@dataclass
class Outcome:
    """What came of one checkpoint; `wrong` is empty where all is as it should be."""

    name: str
    kind: str = ""
    losses: dict[str, float] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    words: str = ""
    """Of a refusal that transformers and peft share."""
    architecture: str = ""
    """The class in config.json."""
    tried: list[Way] = field(default_factory=list)

    @property
    def rows(self) -> list[Row]:
        """For docs/families.jsonl."""
        came = "wrong" if self.wrong else "refused" if self.words else "trains"
        where, today = f"{RANKS} ranks on a CPU", datetime.now(UTC).date().isoformat()
        return [
            Row.model_validate({
                "family": self.name, "architecture": self.architecture, "method": method,
                "strategy": strategy, "outcome": came, "where": where, "date": today,
            })
            for method, strategy in self.tried
        ]  # fmt: skip

    @property
    def line(self) -> str:
        """For a table of markdown."""
        losses = " | ".join(f"{self.losses[c]:.6f}" if c in self.losses else "" for c in COLUMNS)
        verdict = "; ".join(self.wrong) or self.words or "right"
        return f"| {self.name} | {self.kind} | {losses} | {verdict} |"


COLUMNS = ("from_pretrained", "ddp", "sharded", "trained", "reloaded", "merged", "full", "saved")


def trial(folder: Path, work: Path, *, full: bool = True) -> Outcome:
    """Train it, and compare; never raises for what is wrong with it."""
    outcome = Outcome(folder.name)
    try:
        for problem in _problems(folder, work, outcome, full):
            outcome.wrong.append(problem)
    except Exception as failure:
        first = (str(failure).strip() or "no words").splitlines()[0]
        outcome.wrong.append(f"{type(failure).__name__}: {first}")
    return outcome


def _problems(folder: Path, work: Path, outcome: Outcome, full: bool) -> Iterator[str]:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    packed = (config.get("quantization_config") or {}).get("quant_method") == "bitsandbytes"
    strategies = ("ddp",) if packed else ("ddp", "sharded")
    method = {"kind": "qlora" if packed else "lora"}
    outcome.architecture = next(iter(config.get("architectures") or ["(none)"]))
    outcome.tried += [(method["kind"], strategy) for strategy in strategies]
    runs = {s: _run(folder, work / s, method, s) for s in strategies}
    if refused := {s: said for s, (_, said) in runs.items() if said}:
        words = _refused_by_transformers(folder)
        if words is None:
            yield "; ".join(f"{s}: {said}" for s, said in refused.items())
        else:
            outcome.words = f"refused: {next(iter(refused.values()))}; transformers: {words}"
        return
    found = architecture_of(folder)
    outcome.kind = found.kind.__name__
    rows = reference.held_out(folder, DATA, RANKS)
    losses = outcome.losses
    losses["from_pretrained"] = reference.loss(reference.plain_model(found.auto, folder), rows)
    results = {s: run.events(0, Result)[0] for s, (run, _) in runs.items()}
    for strategy, result in results.items():
        losses[strategy] = result.eval_loss_first or 0.0
        yield from apart(losses, "from_pretrained", strategy)
    if len({result.weights_sha256 for result in results.values()}) > 1:
        yield "ddp and sharded trained different adapters"
    losses["trained"] = results["ddp"].eval_loss_last or 0.0
    if losses["trained"] == losses["ddp"]:
        yield "it learned nothing"
    adapter = Path(str(results["ddp"].saved))
    plain = reference.plain_model(found.auto, folder)
    losses["reloaded"] = reference.loss(reference.with_adapter(plain, adapter), rows)
    yield from apart(losses, "trained", "reloaded")
    if "quantization_config" in config:
        return
    merge(folder, adapter, work / "merged")
    merged = reference.plain_model(found.auto, work / "merged")
    losses["merged"] = reference.loss(merged, rows)
    yield from apart(losses, "trained", "merged")
    if full and sum(file.stat().st_size for file in files_of(folder)) <= SMALL:
        yield from _full(folder, work, outcome, found.auto, rows)


def _full(folder: Path, work: Path, outcome: Outcome, auto: str, rows: Any) -> Iterator[str]:
    losses: dict[str, float] = {}
    for strategy in ("ddp", "sharded"):
        outcome.tried.append(("full", strategy))
        run, said = _run(folder, work / f"full-{strategy}", {"kind": "full"}, strategy)
        if said:
            yield f"full, {strategy}: {said}"
            return
        (result,) = run.events(0, Result)
        losses[f"full {strategy}"] = result.eval_loss_last or 0.0
        losses[f"saved {strategy}"] = reference.loss(
            reference.plain_model(auto, Path(str(result.saved))), rows
        )
        yield from apart(losses, f"full {strategy}", f"saved {strategy}")
    yield from apart(losses, "full ddp", "full sharded")
    outcome.losses |= {"full": losses["full ddp"], "saved": losses["saved ddp"]}


def apart(losses: dict[str, float], one: str, other: str) -> Iterator[str]:
    if not abs(losses[one] - losses[other]) <= NEAR * abs(losses[one]):
        yield f"{one} {losses[one]:.6f}, {other} {losses[other]:.6f}"


def _run(folder: Path, work: Path, method: dict[str, Any], strategy: str) -> tuple[Run, str]:
    """A run of two steps, and what it said if it failed."""
    config = {
        "model": {"name": str(folder), "dtype": "float32"},
        "method": method,
        "data": DATA,
        "optim": {"lr": 1e-3 if method["kind"] == "full" else 1e-2, "warmup_steps": 0},
        "parallel": {"strategy": strategy, "timeout": 120, "prepare_timeout": 240},
        "loop": {"max_steps": 2, "per_device_batch_size": 4},
        "checkpoint": {"every": 0},
    }
    run = Run(work, work / "caches", config, RANKS)
    statuses = run.finish()
    if statuses == [0] * RANKS:
        return run, ""
    errors = [run.events(rank, Error) for rank in range(RANKS)]
    said = next((f"{e[-1].code}: {e[-1].message}" for e in errors if e), run.stderr(0)[-300:])
    if any(len(e) != 1 for e in errors):
        said += f" (not one error event on every rank: {[len(e) for e in errors]})"
    return run, f"exit {statuses}: {said}"


def _refused_by_transformers(folder: Path) -> str | None:
    """Why from_pretrained and peft do not take it either; None: they do."""
    import transformers
    from peft import LoraConfig, get_peft_model

    words = ""
    for auto in AUTO:
        try:
            model = getattr(transformers, auto.__name__).from_pretrained(folder)
            transformers.AutoTokenizer.from_pretrained(folder)
            get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", target_modules="all-linear"))
        except Exception as refused:
            words = words or (str(refused).strip() or type(refused).__name__).splitlines()[0]
        else:
            return None
    return words
