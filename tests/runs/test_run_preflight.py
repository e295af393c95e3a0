"""What is found before a run is deployed: judged from readings, and read by the real script."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator.doctor.before_run import judge
from orchestrator.doctor.readiness import NodeReadiness
from orchestrator.errors import DoesNotFitError, NodeErrors, RunError
from orchestrator.facts.protocol import encode
from orchestrator.node.node import Node
from orchestrator.node.software import Software
from orchestrator.runs.launch import Prepared, prepare
from orchestrator.runs.preflight import Checked, preflight, wanted_by
from orchestrator.runs.survey import parse, read, script_for
from orchestrator.spec.load import load_stack
from orchestrator.spec.stack import StackSpec
from orchestrator.testing.connection import FakeConnection
from tests.runs.folders import Unwrapped
from tests.runs.test_prepare import taken_in
from tests.support.clusters import sparks
from training.plan.memory import GIB

GOOD = NodeReadiness(
    asked=1000.0, span=0.1, clock=1000.0, gpu_answers=True, gpu_users=(), memory=110 * GIB,
    disk={"runs": 500 * GIB, "models": 500 * GIB}, ports_taken=(), base="sha256:1", model=True,
    image=None, peers=("spark-a", "spark-b"), missing=(),
)  # fmt: skip


def made(stack: StackSpec) -> Prepared:
    spec = sparks(2)
    return prepare(spec, stack, taken_in(spec), {"HF_TOKEN": "x"})


LARGE = load_stack("llama3-70b-lora")
PREPARED = made(LARGE)


def found(prepared: Prepared = PREPARED, **changes: Any) -> list[tuple[str, str, bool]]:
    readings = {"spark-a": GOOD, "spark-b": replace(GOOD, **changes)}
    return [(one.check, one.node, one.fatal) for one in judge(wanted_by(prepared), readings)]


def test_machines_that_are_as_they_should_be() -> None:
    assert found() == []


@pytest.mark.parametrize(
    ("changes", "check", "fatal"),
    [
        ({"gpu_answers": False}, "gpu", True),
        ({"gpu_users": ("123, python3",)}, "gpu", True),
        ({"memory": 20 * GIB}, "memory", True),
        ({"memory": 100 * GIB}, None, False),
        ({"memory": 80 * GIB}, "memory", False),
        ({"memory": 86 * GIB, "memory_total": 120 * GIB}, "memory", False),
        ({"disk": {"runs": GIB, "models": 500 * GIB}}, "disk", True),
        ({"disk": {"runs": 500 * GIB, "models": 100 * GIB}}, None, False),
        ({"ports_taken": (29500,)}, "port", True),
        ({"shut": (f"tcp {PREPARED.ranks[0].address} 29500",)}, "port", True),
        (
            {"shut": (f"tcp {PREPARED.ranks[0].address} $(x)", "tcp 10.9.9.9 29500", "?")},
            None,
            False,
        ),
        (
            {"software": Software("7.0.0", kho_off=False, driver="580", toolkit="")},
            "software",
            False,
        ),
        ({"peers": ()}, "fabric", True),
        ({"clock": 1005.0}, "clock", False),
        ({"clock": 1001.5}, None, False),
        ({"clock": 1005.0, "span": 6.0}, None, False),
        ({"base": "sha256:2"}, "image", False),
        ({"base": None}, None, False),
        ({"model": False}, "model", False),
        ({"uplinks": ("wlan0",)}, None, False),
        ({"uplinks": ("wlan0", PREPARED.ranks[1].interface)}, "fabric", False),
        ({"missing": ("/home/nvidia/sparkctl/data",)}, "folder", True),
    ],
)
def test_one_thing_wrong(changes: dict[str, Any], check: str | None, fatal: bool) -> None:
    expected = [] if check is None else [(check, "spark-b", fatal)]
    assert found(**changes) == expected


def test_a_model_that_is_still_to_come_needs_its_room() -> None:
    little = {"runs": 500 * GIB, "models": 100 * GIB}
    assert found(model=False, disk=little) == [
        ("disk", "spark-b", True), ("model", "spark-b", False),
    ]  # fmt: skip


def test_offline_a_missing_model_is_an_error() -> None:
    offline = LARGE.model_copy(update={"env": {"HF_HUB_OFFLINE": "1"}})
    assert found(made(offline), model=False)[-1] == ("model", "spark-b", True)


class Told(Unwrapped):
    """Answers with facts instead of asking this computer."""

    def __init__(self, **facts: str) -> None:
        super().__init__()
        self.facts = facts

    def run(self, command: str, stdin: bytes, *, deadline: float) -> Any:
        prints = "\n".join(["cat <<'END'", encode(self.facts).decode(), "END"])
        self.scripts += 1
        return super().run(command, b"\n" + prints.encode(), deadline=deadline)


def test_everything_that_is_wrong_is_told_at_once() -> None:
    good = {"gpu": "answers", "memory": "110000000", "peer": "spark-a\nspark-b"}
    good |= {"image": "sha256:7"}
    nodes = {
        "spark-a": Node("spark-a", Told(**good | {"port.29501": "0: x"})),
        "spark-b": Node("spark-b", Told(**good | {"user": "9, python3", "memory": "1000"})),
    }
    with pytest.raises(RunError, match="cannot start: 3 of the checks failed") as caught:
        preflight(PREPARED, read(sparks(2), PREPARED, nodes), ())
    details = str(caught.value.details).splitlines()
    assert [line.split(":")[0] for line in details] == ["port", "gpu", "memory"]
    assert "9, python3" in details[1]
    assert "--skip-check port --skip-check gpu --skip-check memory" in str(caught.value.resolution)
    readings = read(sparks(2), PREPARED, nodes)
    checked = preflight(PREPARED, readings, ("port", "gpu", "memory"))
    assert checked == Checked([], {"spark-a": "sha256:7", "spark-b": "sha256:7"})


def test_one_round_trip_each() -> None:
    nodes = {name: Node(name, Told()) for name in ("spark-a", "spark-b")}
    read(sparks(2), PREPARED, nodes)
    assert [node.connection.scripts for node in nodes.values()] == [2, 2]  # type: ignore[attr-defined]


def test_the_script_runs_and_says_what_it_can() -> None:
    """On this computer: no GPU, no such interface, no such model; memory and a clock there are."""
    spec = sparks(2)
    output = Node("here", Unwrapped()).output(
        script_for(spec, PREPARED, PREPARED.ranks[0]), need="docker"
    )
    reading = parse(output, asked=0.0, span=0.0)
    assert reading.memory and reading.memory > 2**20
    assert reading.clock and reading.clock > 1.7e9
    assert (reading.gpu_answers, reading.peers, reading.model) == (False, (), False)
    assert reading.ports_taken == ()
    routes = [line.split() for line in Path("/proc/net/route").read_text().splitlines()]
    assert set(reading.uplinks) == {way[0] for way in routes if way[1] == way[7] == "00000000"}
    rank = PREPARED.ranks[0]
    assert set(reading.missing) == {rank.runs, rank.cache, rank.hub, rank.data}


def test_nothing_said_is_nothing_known() -> None:
    reading = parse(b"", asked=1.0, span=2.0)
    assert (reading.clock, reading.memory, reading.model, reading.disk) == (None, None, None, {})


def test_a_number_that_no_machine_has_is_not_believed() -> None:
    said = encode({"memory": "999" * 2000})
    assert parse(said, asked=1.0, span=2.0).memory is None


@pytest.mark.parametrize(
    "said",
    [encode({"clock": "nonsense"}), encode({"port.x": "1"}), b"nonsense"],
)
def test_a_machine_that_says_nonsense_is_an_error_or_not_believed(
    said: bytes,
) -> None:
    names = ("spark-a", "spark-b")
    nodes = {name: Node(name, FakeConnection(lambda script: said)) for name in names}
    with pytest.raises(NodeErrors) as caught:
        read(sparks(2), PREPARED, nodes)
    for name, error in zip(names, caught.value.errors, strict=True):
        assert error.brief == f"the output of {name} cannot be parsed"


def test_what_has_no_room_is_an_error_of_its_own_with_what_would_help() -> None:
    tight = made(load_stack("llama3-8b-lora", ("training.loop.per_device_batch_size=128",)))
    readings = {"spark-a": GOOD, "spark-b": GOOD}
    with pytest.raises(DoesNotFitError) as told:
        preflight(tight, readings, ())
    assert told.value.exit_code == 11
    assert "full rows take" in str(told.value.details)
    assert "It would fit with --set training.loop.per_device_batch_size=" in str(
        told.value.resolution
    )
    assert preflight(tight, readings, ("memory",)).warnings == []
    full = readings | {"spark-b": replace(GOOD, disk={"runs": GIB, "models": GIB})}
    with pytest.raises(DoesNotFitError):
        preflight(PREPARED, full, ())
    with pytest.raises(RunError) as several:
        preflight(PREPARED, full | {"spark-a": replace(GOOD, gpu_answers=False)}, ())
    assert type(several.value) is RunError, "room is not all that is missing"
