"""`sparkctl explain`: whatever has a name in this project says what it means."""

import shlex
from contextlib import suppress

import pytest

from orchestrator import errors
from orchestrator.api.explain import explain, names
from orchestrator.api.keys import example_of, keys_by_file, settable
from orchestrator.doctor.found import every_check
from orchestrator.errors import SpecError
from orchestrator.spec.describe import Key
from orchestrator.spec.explanation import Explanations
from orchestrator.spec.load import load_recipe
from orchestrator.spec.shipped import stack_names
from tests.cli.conftest import Sparkctl
from training.gang.advice import ADVICE


def found(query: str) -> list[str]:
    return [one.name for one in explain(query).found]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("lr", ["stack.training.optim.lr"]),
        ("optim.lr", ["stack.training.optim.lr"]),
        ("training.optim.lr", ["stack.training.optim.lr"]),
        ("stack.training.optim.lr", ["stack.training.optim.lr"]),
        ("cluster.nodes.ssh", ["cluster.nodes.ssh"]),
        ("cluster.nodes[].ssh", ["cluster.nodes.ssh"]),
        ("stack", ["stack"]),
        ("cluster", ["cluster"]),
        ("shm", ["stack.shm", "cluster.container.shm"]),
        ("E400", ["E400 PreflightError"]),
        ("e400", ["E400 PreflightError"]),
        ("LockedError", ["E402 LockedError"]),
        ("rank_missing", ["rank_missing"]),
        ("double_quantization", ["stack.training.method.double_quantization"]),
        ("host", ["cluster.nodes.ssh.host"]),
    ],
)
def test_a_name_means(query: str, names: list[str]) -> None:
    assert found(query) == names


def test_one_name_of_several_things() -> None:
    """A key at the top of two files, and below; a check."""
    assert set(found("nodes")) == {"stack.nodes", "cluster.nodes"}
    assert found("name")[:3] == ["stack.name", "cluster.name", "engine.name"]
    assert "stack.training.model.name" in found("name")
    assert {one.kind for one in explain("model").found} == {"section", "check"}


def test_everything_that_has_a_name_is_explained() -> None:
    for name in names():
        assert explain(name).found


def test_what_there_is_has_a_name() -> None:
    kinds = [one for one in vars(errors).values() if isinstance(one, type)]
    codes = {one.code for one in kinds if issubclass(one, errors.SparkctlError)}
    assert codes | {check.name for check in every_check()} | set(ADVICE) <= set(names())
    keys = {key.path.replace("[]", "") for keys in keys_by_file().values() for key in keys}
    assert keys <= set(names())


def test_a_section_has_its_keys() -> None:
    (section,) = explain("training.optim").found
    assert [part.name.rpartition(".")[2] for part in section.parts][:2] == ["lr", "schedule"]
    (schedule,) = explain("optim.schedule").found
    assert (schedule.default, schedule.allowed) == ("linear", ("linear", "cosine", "constant"))
    (port,) = explain("nodes.ssh.port").found
    assert port.allowed == ("at least 1", "at most 65535")
    (both,) = explain("training.tracking.to").found
    assert both.allowed == ("wandb", "mlflow", "trackio")


@pytest.mark.parametrize("key", settable(), ids=lambda key: key.path)
def test_the_example_of_a_key_is_taken_by_a_stack(key: Key) -> None:
    example = example_of("stack", key)
    if example is None:  # nobody can know it: an image, a number of machines
        assert key.default == "" and not key.values
        return
    option, setting = shlex.split(example)
    assert option == "--set" and setting.startswith(f"{key.path}=")
    assert any(_taken(name, setting) for name in stack_names())


def _taken(stack: str, setting: str) -> bool:
    with suppress(SpecError):
        return load_recipe(stack, (setting,)) is not None
    return False


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("lrr", "'lr'"),
        ("training.optm", "'training.optim'"),
        ("stack.training.optim.lrr", "optim.lr'"),
        ("rank_mising", "'rank_missing'"),
        ("E4000", "'E400'"),
        ("identiy", "'identity'"),
    ],
)
def test_what_was_meant(typed: str, meant: str, sparkctl: Sparkctl) -> None:
    ran = sparkctl("explain", typed, file=None)
    assert (ran.code, ran.stdout) == (3, "")
    assert f"nothing is called '{typed}'" in ran.stderr
    assert meant in ran.stderr.partition("Did you mean ")[2]


@pytest.mark.parametrize("typed", ["", " ", "\x1b[31m", "a.b.c.d", ".", "..", "[]"])
def test_what_is_near_to_nothing(typed: str, sparkctl: Sparkctl) -> None:
    ran = sparkctl("explain", typed, file=None)
    assert (ran.code, ran.stdout) == (3, "")
    assert "\x1b" not in ran.stderr


def test_lists(sparkctl: Sparkctl) -> None:
    assert found("checks") == [check.name for check in every_check()]
    assert found("failures") == list(ADVICE)
    assert "E402 LockedError   exit code 6" in sparkctl("explain", "errors", file=None).stdout


def test_the_page(sparkctl: Sparkctl) -> None:
    assert sparkctl("explain", "lr", file=None).stdout == (
        "stack.training.optim.lr   number, default 0.0001\n"
        "    Peak learning rate.\n"
        "    Allowed: more than 0, at most 1.\n"
        "    --set training.optim.lr=1e-4\n"
    )


def test_for_programs(sparkctl: Sparkctl) -> None:
    shown = sparkctl("explain", "training.optim", "--json", file=None).stdout
    assert Explanations.model_validate_json(shown) == explain("training.optim")
