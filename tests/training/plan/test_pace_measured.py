"""The forecast beside what owners of Sparks have measured: docs/forecast.md."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmarks.document import put
from tests.support.clusters import ROOT
from tests.support.generated import Generated
from tests.support.published import PUBLISHED
from training.contract.config import TrainingConfig
from training.plan.estimate import Work
from training.plan.known import KNOWN
from training.plan.shape import Shape
from training.plan.throughput import pace
from training.plan.understand import understand

CASES: list[dict[str, Any]] = yaml.safe_load(
    (Path(__file__).parents[2] / "cases/pace/sparks.yaml").read_text(encoding="utf-8")
)
WITHIN = 1.6
"""No forecast is off by more than this factor, either way."""


def shape_of(case: dict[str, Any]) -> Shape:
    """Of a published model, or of one with other numbers."""
    given = dict(case["shape"])
    if "known" in given:
        return KNOWN[given["known"]]
    config = PUBLISHED[given.pop("of")]["config"]
    return understand(config | {"text_config": config["text_config"] | given})


def forecast(case: dict[str, Any]) -> tuple[float, str]:
    """(tokens/s of all ranks, what bounds them)."""
    config = TrainingConfig.model_validate(
        {
            "model": {"name": "org/model"},
            "method": case["method"],
            "data": {"name": "org/rows", "max_length": case["length"]},
            "loop": {
                "per_device_batch_size": case["rows"],
                "gradient_checkpointing": case.get("again", False),
                "kernels": case.get("kernels", "plain"),
            },
        }
    )
    strategy, ranks = case.get("strategy", "ddp"), case.get("ranks", 1)
    work = Work.most(config)
    if strategy == "pipeline":  # every rank computes half of the model for all tokens
        step = pace(shape_of(case), config, "ddp", 1, work=work)
        bubble = (case["rows"] + ranks - 1) / case["rows"]
        return work.tokens * ranks / (sum(step.computing.values()) * bubble), "computing"
    step = pace(shape_of(case), config, strategy, ranks, work=work)
    return ranks * work.tokens / step.seconds, step.bound


@pytest.mark.parametrize("case", CASES, ids=[case["what"] for case in CASES])
def test_a_forecast_is_near_what_was_measured(case: dict[str, Any]) -> None:
    said, _ = forecast(case)
    assert case["measured"] / WITHIN <= said <= case["measured"] * WITHIN


def test_two_sparks_are_worth_what_was_measured() -> None:
    """By how much a second one makes it faster: the clocks are the same in both numbers."""
    by_name = {case["what"]: case for case in CASES}
    for size in ("2B", "9B"):
        name = f"Qwen3.5 {size}, LoRA"
        one, copies = (
            by_name[f"{name}, one Spark"],
            by_name[f"{name}, two Sparks, each with all of it"],
        )
        said = forecast(copies)[0] / forecast(one)[0]
        assert said == pytest.approx(copies["measured"] / one["measured"], rel=0.05)


def test_the_page(generated: Generated) -> None:
    columns = "what", "measured", "forecast", "ratio", "bound by", "source", "why they differ"
    lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    for case in CASES:
        said, bound = forecast(case)
        cells = [case["what"], f"{case['measured']:,}", f"{said:,.0f}",
                 f"{said / case['measured']:.2f}", bound, case["source"], case["why"]]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    page = ROOT / "docs/forecast.md"
    generated("docs/forecast.md", put(page.read_text(encoding="utf-8"), "rows", "\n".join(lines)))
