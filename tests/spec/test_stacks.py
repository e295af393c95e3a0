"""Stacks by name and by file, and `--set`."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from orchestrator.errors import SpecError, UnknownKeyError, UnknownStackError
from orchestrator.spec.load import load_stack
from orchestrator.spec.shipped import stack_names
from tests.support.clusters import ROOT

TINY = "tiny-llama-lora"


@pytest.mark.parametrize("name", stack_names())
def test_every_shipped_stack_loads_under_its_own_name(name: str) -> None:
    stack = load_stack(name)
    assert stack.name == name
    assert stack.description


def test_the_stacks_of_the_promise_are_shipped() -> None:
    llamas = {"llama3-3b-full", "llama3-8b-lora", "llama3-70b-lora", "llama3-70b-qlora"}
    twins = {"tiny-llama-full", TINY, "tiny-llama-qlora"}
    assert llamas | twins | {"qwen3-8b-lora"} <= set(stack_names())


def test_a_real_model_trains_without_an_account() -> None:
    assert not load_stack("qwen3-8b-lora").secrets


def test_a_stack_that_there_is_not() -> None:
    with pytest.raises(UnknownStackError, match="no stack named 'tiny-lama-lora'") as caught:
        load_stack("tiny-lama-lora")
    assert f"Did you mean '{TINY}'?" in str(caught.value.resolution)
    assert (caught.value.code, caught.value.exit_code) == ("E101", 3)


@pytest.mark.parametrize("name", ["", "x", "../stacks/tiny-llama-lora", "/etc/passwd"])
def test_a_name_is_never_a_path(name: str) -> None:
    with pytest.raises(UnknownStackError) as caught:
        load_stack(name)
    assert TINY in str(caught.value.resolution)


def test_a_stack_of_ones_own_is_named_by_its_file(tmp_path: Path) -> None:
    text = (ROOT / "stacks" / f"{TINY}.yaml").read_text(encoding="utf-8")
    (tmp_path / "mine.yaml").write_text(text.replace(f"name: {TINY}", "name: mine"))
    assert load_stack(str(tmp_path / "mine.yaml")).name == "mine"


def test_a_stack_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="there is no such stack file") as caught:
        load_stack(str(tmp_path / "mine.yaml"))
    assert "two-sparks" not in str(caught.value.resolution)
    assert TINY in str(caught.value.resolution)


@pytest.mark.parametrize("setting", ["env={SPARKCTL_GANG: x}", "secrets=[{name: SPARKCTL_NONCE}]"])
def test_names_of_the_supervisor_cannot_be_replaced(setting: str) -> None:
    with pytest.raises(SpecError, match="SPARKCTL_ are taken"):
        load_stack(TINY, (setting,))


def test_a_fault_in_a_stack_file_has_its_line(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    text = (ROOT / "stacks" / f"{TINY}.yaml").read_text(encoding="utf-8")
    file.write_text(text.replace("optim: {lr: ", "optim: {learning_rate: "))
    lines = file.read_text().splitlines()
    line = next(n for n, text in enumerate(lines, start=1) if "learning_rate" in text)
    with pytest.raises(SpecError, match="unknown key") as caught:
        load_stack(str(file))
    assert caught.value.brief.startswith(f"{file}:{line}: training.optim.learning_rate")


@pytest.mark.parametrize(
    ("setting", "path", "expected"),
    [
        ("training.optim.lr=1e-4", "optim.lr", 1e-4),
        ("training.optim.lr=0.5", "optim.lr", 0.5),
        ("training.loop.gradient_checkpointing=true", "loop.gradient_checkpointing", True),
        ("training.loop.gradient_checkpointing=yes", "loop.gradient_checkpointing", True),
        ("training.loop.gradient_checkpointing=False", "loop.gradient_checkpointing", False),
        ("training.loop.max_steps=7", "loop.max_steps", 7),
        ("training.loop.max_steps=null", "loop.max_steps", None),
        ("training.loop.max_steps=", "loop.max_steps", None),
        ("training.method.targets=[q_proj, v_proj]", "method.targets", ("q_proj", "v_proj")),
        ("training.data.name=org/a=b", "data.name", None),
        ("training.data.name=/data/it's.jsonl", "data.name", "/data/it's.jsonl"),
        ("training.optim={lr: 0.1, schedule: cosine}", "optim.schedule", "cosine"),
    ],
)
def test_a_setting_is_read_as_yaml(setting: str, path: str, expected: Any) -> None:
    if expected is None and "org/" in setting:
        with pytest.raises(SpecError, match=r"^--set training.data.name=org/a=b: "):
            load_stack(TINY, (setting,))
        return
    value: Any = load_stack(TINY, (setting,)).training
    for key in path.split("."):
        value = getattr(value, key)
    assert value == expected


def test_words_that_are_truth_values_in_old_yaml_are_text(tmp_path: Path) -> None:
    """`on` is a key of hooks, and NO a country."""
    text = (ROOT / "stacks" / f"{TINY}.yaml").read_text(encoding="utf-8")
    file = tmp_path / "mine.yaml"
    file.write_text(text + "gang:\n  hooks:\n    - {on: [failed], command: [tell, yes]}\n")
    by_option = "gang.hooks=[{on: [failed], command: [tell, yes]}]"
    for stack in (load_stack(str(file)), load_stack(TINY, (by_option, "env.WHERE=NO"))):
        (hook,) = stack.gang.hooks
        assert (hook.on, hook.command) == (("failed",), ("tell", "yes"))
    assert stack.env["WHERE"] == "NO"


@pytest.mark.parametrize(
    ("setting", "path", "expected"),
    [
        ("lr=0.25", "optim.lr", 0.25),
        ("optim.lr=0.25", "optim.lr", 0.25),
        ("max_steps=7", "loop.max_steps", 7),
        ("loop={max_steps: 7}", "loop.max_steps", 7),
        ("to=[wandb]", "tracking.to", ("wandb",)),
        ("training.tracking.to=wandb", "tracking.to", ("wandb",)),
        ("dtype=bf16", "model.dtype", "bfloat16"),
        ("r=4", "method.r", 4),
        ("split=test", "data.split", "test"),
        ("config=main", "data.config", "main"),
    ],
)
def test_the_last_names_of_a_key_are_enough(setting: str, path: str, expected: Any) -> None:
    value: Any = load_stack(TINY, (setting,)).training
    for key in path.split("."):
        value = getattr(value, key)
    assert value == expected


def test_a_key_of_the_stack_itself_comes_first() -> None:
    assert load_stack(TINY, ("name=other",)).name == "other"


@pytest.mark.parametrize("key", ["revision", "every_", "command"])
def test_last_names_of_several_keys_or_none(key: str) -> None:
    with pytest.raises(UnknownKeyError, match=f"{key}: (several keys end so: training|unknown)"):
        load_stack(TINY, (f"{key}=x",))


def test_another_method_leaves_what_it_does_not_have() -> None:
    lora = "llama3-8b-lora"
    assert load_stack(lora, ("training.method.kind=full",)).training.method.kind == "full"
    qlora = load_stack(lora, ("method.kind=qlora",)).training.method
    assert (qlora.kind, qlora.r) == ("qlora", 8)  # type: ignore[union-attr]
    with pytest.raises(UnknownKeyError, match=r"training.method.r: unknown key; known here: kind"):
        load_stack(lora, ("training.method.kind=full", "training.method.r=4"))


@pytest.mark.parametrize(
    ("setting", "meant"),
    [
        ("training.optim.learning_rate=1", "'lr'"),
        ("learning_rate=1", "'training.optim.lr'"),
        ("training.lr=1", "'training.optim.lr'"),
        ("training.loop.batch_size=1", "'per_device_batch_size'"),
        ("training.loop.num_epochs=1", "'epochs'"),
        ("training.method.lora_rank=8", "'r'"),
        ("training.method.rank=8", "'r'"),
        ("training.data.max_seq_length=8", "'max_length'"),
        ("training.model.torch_dtype=x", "'dtype'"),
        ("training.base_model=x", "'training.model.name'"),
        ("training.loop.warmup_steps=1", "'training.optim.warmup_steps'"),
        ("gang.atempts=1", "'attempts'"),
    ],
)
def test_which_key_may_have_been_meant(setting: str, meant: str) -> None:
    with pytest.raises(UnknownKeyError) as caught:
        load_stack(TINY, (setting,))
    assert caught.value.brief.endswith(f"unknown key; did you mean {meant}?")


def test_the_last_setting_wins() -> None:
    settings = ("training.loop.seed=1", "training.loop.seed=2")
    assert load_stack(TINY, settings).training.loop.seed == 2


def test_a_section_that_the_file_does_not_have_is_made() -> None:
    assert load_stack(TINY, ("nodes.max=1",)).nodes.max == 1
    exactly = load_stack("llama3-70b-lora", ("nodes=3",)).nodes
    assert (exactly.min, exactly.max) == (3, 3)
    assert load_stack(TINY, ("env.NCCL_DEBUG=INFO",)).env == {"NCCL_DEBUG": "INFO"}


def test_an_unknown_key_names_the_option_and_a_known_one() -> None:
    with pytest.raises(UnknownKeyError) as caught:
        load_stack(TINY, ("training.optim.lrr=1",))
    assert caught.value.brief == (
        "--set training.optim.lrr=1: training.optim.lrr: unknown key; did you mean 'lr'?"
    )
    assert (caught.value.code, caught.value.exit_code) == ("E102", 3)


def test_names_of_secrets_that_are_ours_are_taken() -> None:
    with pytest.raises(SpecError, match="begin with SPARKCTL_ are taken"):
        load_stack(TINY, ("secrets=[{name: SPARKCTL_NONCE}]",))


def test_a_secret_where_its_name_belongs_is_not_repeated(tmp_path: Path) -> None:
    text = (ROOT / "stacks" / f"{TINY}.yaml").read_text(encoding="utf-8")
    (tmp_path / "mine.yaml").write_text(f"{text}\nsecrets: [{{name: hf_planted}}]\n")
    with pytest.raises(SpecError, match="a secret's name is capitals") as caught:
        load_stack(str(tmp_path / "mine.yaml"))
    assert "planted" not in str(caught.value.to_dict())


def test_a_hook_may_name_a_secret_of_the_stack() -> None:
    hook = "gang.hooks=[{url_secret: CHAT}]"
    assert load_stack(TINY, (hook, "secrets=[{name: CHAT}]")).gang.hooks[0].url_secret == "CHAT"
    with pytest.raises(SpecError, match="CHAT is not one of the secrets"):
        load_stack(TINY, (hook,))


@pytest.mark.parametrize("setting", ["training.optim.lr", "=1", "", ".=1", "a..b=1", "training.=1"])
def test_a_setting_of_another_form(setting: str) -> None:
    with pytest.raises(SpecError, match="not of the form key=value") as caught:
        load_stack(TINY, (setting,))
    assert caught.value.brief.startswith(f"--set {setting}:")


@pytest.mark.parametrize(
    "setting",
    [
        "training.optim.lr=fast",
        "training.optim.lr=-1",
        "training.optim=5",
        "training.loop.max_steps=2024-13-45",
        "training.loop.max_steps=[1",
        "training.loop.max_steps=!!bool perhaps",
        "training.model.name=builtin:nothing",
        "secrets.0.required=true",
        "description.x=1",
        "nodes=three",
        "nodes=0",
        "nodes=true",
        "kind=Cluster",
        "shm=much",
        "name=Capital",
    ],
)
def test_a_value_that_does_not_fit_is_told_with_the_option(setting: str) -> None:
    with pytest.raises(SpecError) as caught:
        load_stack("llama3-70b-lora", (setting,))
    assert caught.value.brief.startswith(f"--set {setting}: ")
    assert caught.value.exit_code == 3


@given(st.text(max_size=12), st.text(max_size=12))
@example("[key]", "1")
def test_any_setting_is_taken_or_told(key: str, value: str) -> None:
    for setting in (f"{key}={value}", f"training.optim.lr={value}", f"training.{key}"):
        try:
            load_stack(TINY, (setting,))
        except SpecError as error:
            assert error.brief.startswith("--set ")
