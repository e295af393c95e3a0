"""One GPU, no network: our trainer as a user starts it, beside trl and Unsloth.

    python -m benchmarks.gpu [--seconds 470] [--before DIR] [--unsloth DIR] [--only TEXT] [--write]

The same random weights in the shape of an 8B model with 16 layers, the same texts, the same
adapter, batches of 8 rows, each system in a process of its own. A table is printed after each, so
that what is known is there when time runs out. `--before` names a folder with an older `training/`
and `entrypoints/`; `--unsloth` a folder with Unsloth and what it needs besides. `--write` puts the
table into docs/benchmarks.md. On a CPU (`--device cpu --layers 2 --hidden 256`) it shows that it
works, and nothing else.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.document import machine, write
from benchmarks.gpu_base import ALPACA, FULL
from benchmarks.gpu_systems import STRETCHES, WARM, Seen, System, busy, busy_readings, recipe, run
from training.contract.config import TrainingConfig
from training.plan.estimate import Work, memory
from training.plan.throughput import model_flops_per_token
from training.plan.understand import understand

GIB = 2**30
OURS, PLAYBOOK = "sparkctl, as it is", "trl as the playbook sets it"
COLUMNS = (
    "rows", "system", "chosen", "real tok/s", "x playbook", "MFU", "peak GiB", "forecast",
    "reserved", "loading GB/s", "first step s", "busy", "loss",
)  # fmt: skip
TEXTS = {ALPACA: "alpaca's lengths", FULL: "2,048 tokens"}


def systems(before: Path | None, unsloth: Path | None) -> list[System]:
    """What is compared, the most telling first."""
    there = unsloth is not None or find_spec("unsloth") is not None
    path = (str(unsloth),) if unsloth else ()

    def ours(name: str, texts: str = ALPACA, **settings: Any) -> System:
        return System(f"sparkctl{name}", texts, settings)

    def loop(**settings: Any) -> dict[str, Any]:
        return {"loop": {"max_steps": 400, "per_device_batch_size": 8} | settings}

    free = "padding-free"
    every = [
        ours(", as it is"),
        System(PLAYBOOK, ALPACA, peer=("trl", "--recompute")),
        ours(", not packed", **loop(batching=free)),
        System("Unsloth, no recomputing", ALPACA, peer=("unsloth",), path=path),
        ours(", Liger", **loop(kernels="liger")),
        ours(", as it is", FULL),
        System(PLAYBOOK, FULL, peer=("trl", "--recompute")),
        ours(", QLoRA", method={"kind": "qlora", "r": 8, "alpha": 16}),
        ours(", selective", **loop(gradient_checkpointing="selective")),
        ours(", not packed, Liger", **loop(batching=free, kernels="liger")),
        ours(", recomputing", **loop(gradient_checkpointing=True)),
        ours(", compiled", **loop(kernels="compiled")),
        ours(", not packed, compiled", **loop(batching=free, kernels="compiled")),
        System("Unsloth, QLoRA", ALPACA, peer=("unsloth", "--four"), path=path),
        System("Unsloth", FULL, peer=("unsloth", "--recompute"), path=path),
        System("trl, no recomputing", ALPACA, peer=("trl",)),
        System("trl + Liger, no recomputing", ALPACA, peer=("trl", "--liger")),
    ]
    if before:
        every.insert(3, System("sparkctl before", ALPACA, {}, code=before))
    return [one for one in every if there or not one.name.startswith("Unsloth")]


@dataclass(frozen=True)
class Row:
    """One system, measured."""

    system: System
    seen: Seen
    busy: float | None
    estimate: int | None
    """Bytes of tensors at the peak, as forecast for the largest pass that was seen."""

    @property
    def last(self) -> dict[str, Any]:
        """The last step that it told."""
        return self.seen.steps[-1][1] if self.seen.steps else {}

    @property
    def loading(self) -> float | None:
        """GB/s from the files; None where it is not told."""
        began = [at for at, e in self.seen.of("phase") if e.get("name") == "loading"]
        ended = [at for at, _ in self.seen.of("adapts")]
        starts = [event["bytes_read"] for _, event in self.seen.of("start")]
        if not (began and ended and starts):
            return None
        return float(starts[0] / (ended[0] - began[0]) / 1e9)

    def cells(self, beside: float | None, flops: float) -> str:
        """A line of the table. `beside`: the playbook's tokens/s; `flops`: share of the card's."""
        seen, peak = self.seen, self.last.get("memory") or {}
        speed = seen.tokens_per_second
        first = seen.steps[0][0] - seen.began if seen.steps else None
        start = next((event for _, event in seen.of("start")), {})
        how = [start.get(key) for key in ("batching", "attention", "kernels")]
        if again := start.get("gradient_checkpointing"):
            how.append("recomputing" if again is True else f"recomputing {again}")
        cells = [
            TEXTS[self.system.texts],
            self.system.name,
            ", ".join(str(one) for one in how if one and one != "plain"),
            _number(speed, "{:,.0f}"),
            _number(speed and beside and speed / beside, "{:.2f}"),
            _number(speed and speed * flops, "{:.0%}"),
            _number((peak.get("allocated") or 0) / GIB or None, "{:.1f}"),
            _number(self.estimate and self.estimate / GIB, "{:.1f}"),
            _number((peak.get("reserved") or 0) / GIB or None, "{:.1f}"),
            _number(self.loading, "{:.1f}"),
            _number(first, "{:.0f}"),
            _number(self.busy, "{:.0%}"),
            _number(self.last.get("loss"), "{:.3f}"),
        ]
        return "| " + " | ".join(cells) + " |"


def _number(value: float | None, form: str) -> str:
    return form.format(value) if value else ""


def estimate(system: System, base: Path, seen: Seen) -> int | None:
    """Of the largest pass that was seen, in bytes; what CUDA takes for itself is not in it."""
    chosen = next((event for _, event in seen.of("start")), None)
    if system.settings is None or chosen is None or "batching" not in chosen or not seen.steps:
        return None
    document = recipe(system, base)
    document["loop"] = document["loop"] | {
        "gradient_checkpointing": chosen.get("gradient_checkpointing") or False
    }
    tokens = max(event["tokens"] for _, event in seen.steps)
    shape = understand(json.loads((base / "config.json").read_text()))
    config = TrainingConfig.model_validate(document)
    terms = dict(memory(shape, config, "ddp", 1, work=Work(tokens, tokens)).terms)
    terms.pop("runtime", None)
    return sum(terms.values())


def table(rows: Sequence[Row], card: dict[str, Any]) -> str:
    """The table of the document."""
    each = model_flops_per_token(card["parameters"], TrainingConfig.model_validate(
        {"model": {"name": "builtin:tiny-llama"}, "data": {"name": "builtin:instructions"}}
    ).method)  # fmt: skip
    beside = {row.system.texts: row.seen.tokens_per_second
              for row in rows if row.system.name == PLAYBOOK}  # fmt: skip
    lines = [
        f"| {' | '.join(COLUMNS)} |",
        "|---" * len(COLUMNS) + "|",
        *(
            row.cells(beside.get(row.system.texts), each / (card["tflops"] * 1e12))
            for row in sorted(rows, key=lambda row: row.system.texts)
        ),
    ]
    versions = ", ".join(f"{name} {version(name)}" for name in ("transformers", "peft", "trl"))
    conditions = (
        f"{datetime.now(UTC):%Y-%m-%d}, {card['card']}, {machine()}; torch {card['torch']}, "
        f"{versions}. A Llama of {card['parameters'] / 1e9:.1f} B weights, LoRA of rank 8, "
        f"bfloat16, 8 rows a step; after {WARM} steps, medians of "
        f"{STRETCHES} stretches. MFU: of the {card['tflops']:.0f} TFLOP/s that a product of two "
        "8192 x 8192 matrices reaches on this card."
    )
    return "\n".join([*lines, "", conditions])


def main() -> None:
    """Measure one after the other; print what is known after each."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--seconds", type=float, default=470.0)
    options.add_argument("--layers", type=int, default=16)
    options.add_argument("--hidden", type=int, default=4096)
    options.add_argument("--device", default="cuda")
    options.add_argument("--before", type=Path)
    options.add_argument("--unsloth", type=Path)
    options.add_argument("--only", default="", help="parts of names, with ; between")
    options.add_argument("--write", action="store_true")
    chosen = options.parse_args()
    end = time.monotonic() + chosen.seconds
    with tempfile.TemporaryDirectory() as temporary, busy_readings() as readings:
        base = Path(temporary) / "base"
        make = [sys.executable, "-m", "benchmarks.gpu_base", str(base), "--device", chosen.device]
        size = ["--layers", str(chosen.layers), "--hidden", str(chosen.hidden)]
        said = subprocess.run([*make, *size], capture_output=True, text=True, check=False)
        if said.returncode:
            sys.exit(said.stderr)
        card = json.loads(said.stdout.splitlines()[-1])
        rows: list[Row] = []
        for number, system in enumerate(systems(chosen.before, chosen.unsloth)):
            names = chosen.only.split(";")
            if not any(name in f"{system.name} {system.texts}" for name in names):
                continue
            if end - time.monotonic() < 20:
                print(f"{system.name}: no time left", flush=True)
                continue
            seen = run(system, base, Path(temporary) / str(number), chosen.device, end)
            if not seen.enough:
                print(f"{system.name}: {len(seen.steps)} steps; {seen.ended}", flush=True)
            share = busy(readings, seen.steady)
            rows.append(Row(system, seen, share, estimate(system, base, seen)))
            print(table(rows, card), flush=True)
        if chosen.write:
            write("gpu", table(rows, card))


if __name__ == "__main__":
    main()
