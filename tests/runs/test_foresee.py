"""A dry run: the verdict, and the numbers that it stands on; what nobody knows is said."""

import io
from dataclasses import replace
from typing import Any

import pytest

from orchestrator.doctor.readiness import NodeReadiness
from orchestrator.errors import ConnectError
from orchestrator.runs.base_model import BaseModel
from orchestrator.runs.forecast import most_tokens
from orchestrator.runs.foresee import foresee
from orchestrator.runs.launch import Prepared, prepare
from orchestrator.runs.outlook import DryRun
from orchestrator.spec.load import load_stack
from orchestrator.ui.console import PlainConsole
from orchestrator.ui.dry_run_view import show_dry_run
from tests.runs.test_prepare import taken_in
from tests.runs.test_run_preflight import GOOD
from tests.support.clusters import sparks
from tests.support.generated import Generated
from training.plan.memory import GIB

SECRETS = {"HF_TOKEN": "from the variable HF_TOKEN of this command"}
NO_CHECKPOINTING = "training.loop.gradient_checkpointing=false"
OTHER_MODEL = "training.model.name=google/gemma-3-27b-it"


NOT_UNDERSTOOD = BaseModel(None, "the estimate does not understand google/gemma-3-27b-it: why")


def prepared(
    stack: str, *settings: str, read: bool = True, base: BaseModel | None = None
) -> Prepared:
    spec = sparks(2)
    world = taken_in(spec) if read else None
    run, token = f"{stack}-0a1b2c", {"HF_TOKEN": "x"}
    return prepare(spec, load_stack(stack, settings), world, token, run=run, base=base)


def dry(
    stack: str,
    *settings: str,
    read: bool = True,
    known: BaseModel | None = None,
    **second: Any,
) -> DryRun:
    """On two Sparks, the second of which may be less well off."""
    readings: dict[str, NodeReadiness] = {}
    if read:
        readings = {"spark-a": GOOD, "spark-b": replace(GOOD, **second)}
    return foresee(
        prepared(stack, *settings, read=read, base=known),
        readings,
        secrets=SECRETS,
        powers=["hook: runs `curl https://somewhere` on rank 0"],
        unread=[] if read else [ConnectError("spark-a is off", node="spark-a")],
    )


def text(found: DryRun, width: int = 80) -> str:
    console = PlainConsole(file=io.StringIO(), width=width)
    show_dry_run(found, console)
    assert isinstance(console.file, io.StringIO)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines())


CASES: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "fits": (("llama3-70b-lora",), {"image": "sha256:1"}),
    "no room in memory": (
        ("llama3-70b-lora", NO_CHECKPOINTING),
        {"model": False, "base": None},
    ),
    "no room on a disk": (
        ("llama3-70b-lora",),
        {"model": False, "disk": {"runs": 2**40, "models": 100 * GIB}},
    ),
    "a model that is not known": (("llama3-8b-lora", OTHER_MODEL), {"known": NOT_UNDERSTOOD}),
    "no node was read": (("llama3-70b-lora",), {"read": False}),
    "nothing to fetch": (("tiny-llama-lora",), {"model": None}),
}


def test_what_people_read(generated: Generated) -> None:
    said = [f"== {name}\n{text(dry(*stack, **given))}\n" for name, (stack, given) in CASES.items()]
    tag = prepared("llama3-70b-lora").image.tag  # another one with each line of the trainer
    generated("tests/golden/dry-run.txt", "\n".join(said).replace(tag, "sparkctl/train:HASH"))


@pytest.mark.parametrize(
    ("case", "answer"),
    list(zip(CASES, ["fits", *["does not fit"] * 2, *["not known"] * 2, "fits"], strict=True)),
)
def test_the_verdict(case: str, answer: str) -> None:
    stack, given = CASES[case]
    found = dry(*stack, **given)
    assert found.verdict.answer == answer
    assert answer in text(found).splitlines()[0]
    assert DryRun.model_validate_json(found.model_dump_json()) == found


def test_settings_that_would_make_it_fit_do() -> None:
    batch = "training.loop.per_device_batch_size=128"
    for stack, settings in (
        ("llama3-70b-lora", (NO_CHECKPOINTING,)),
        ("llama3-8b-lora", (batch,)),
        ("llama3-8b-lora", (batch, NO_CHECKPOINTING)),
    ):
        found = dry(stack, *settings)
        assert found.verdict.answer == "does not fit" and found.verdict.remedy
        assert dry(stack, *settings, *found.verdict.remedy).verdict.answer == "fits"


def test_where_no_setting_helps_none_is_named() -> None:
    """Its state alone fits, but for the tenth that the system keeps; more nodes share it."""
    spec = sparks(2)
    world = {
        name: replace(facts, memory_bytes=int(71.5 * GIB)) for name, facts in taken_in(spec).items()
    }
    ready = prepare(spec, load_stack("llama3-70b-lora"), world, {"HF_TOKEN": "x"})
    found = foresee(ready, {}, secrets={}, powers=[])
    assert (found.verdict.answer, found.verdict.remedy) == ("does not fit", [])
    assert found.verdict.nodes == 3


def test_a_model_that_is_not_understood_is_said_so() -> None:
    found = dry("llama3-8b-lora", OTHER_MODEL, known=NOT_UNDERSTOOD, model=False)
    assert "the estimate does not understand google/gemma-3-27b-it" in found.verdict.why
    assert found.memory is None
    assert found.download.bytes_per_node is None and found.download.nodes == ["spark-b"]
    said = text(found)
    assert "download  model: size not known" in said
    assert "time      not known: " in said


@pytest.mark.parametrize(
    ("settings", "most"),
    [
        ((), (32, 512 * 2048)),
        (("training.loop.epochs=1.5",), (48, 768 * 2048)),
        (("training.loop.max_steps=7",), (7, 7 * 2 * 8 * 2048)),
        (("training.data.rows=17", "training.loop.gradient_accumulation_steps=2"), (1, 17 * 2048)),
        (("training.data.rows=null",), None),
        # A room of 5,000 tokens holds two full rows.
        (
            ("training.loop.batching=packed", "training.loop.tokens_per_pass=5000"),
            (128, 512 * 2048),
        ),
    ],
)
def test_steps_and_tokens_at_most(settings: tuple[str, ...], most: tuple[int, int] | None) -> None:
    assert most_tokens(load_stack("llama3-8b-lora", settings).training, 2) == most


def test_every_set_of_the_hub_is_named_once() -> None:
    assert dry("llama3-70b-cnn-dailymail", read=False).download.data == "abisee/cnn_dailymail"
    several = "training.data={sources: [{name: org/a}, {name: b.csv}], evaluation: {name: org/c}}"
    assert dry("tiny-llama-lora", several, read=False).download.data == "org/a, org/c"


def test_no_document_holds_a_number_that_is_not_known() -> None:
    found = dry("llama3-70b-lora", "training.data.rows=null", read=False)
    assert found.time and (found.time.steps_at_most, found.time.seconds_at_most) == (None, None)
    assert "how long depends on how many rows the data has" in text(found, 200)
    assert (found.image.to_build, found.download.nodes, found.disk.free_bytes) == (None, None, {})
    assert found.download.bytes_per_node == prepared("llama3-70b-lora").forecast.checkpoint  # type: ignore[union-attr]
    assert "141 GB a node, unless it is there" in text(found)
