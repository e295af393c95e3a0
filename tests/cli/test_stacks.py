"""`sparkctl stacks list | show | copy`."""

import json
from pathlib import Path

import pytest

from orchestrator.spec.load import load_stack
from orchestrator.spec.shipped import stack_names
from orchestrator.spec.stack_report import StacksReport
from tests.cli.conftest import Sparkctl
from tests.support.clusters import ROOT


def test_the_list_has_every_stack_and_fits_a_terminal(
    sparkctl: Sparkctl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.ui.console._width", lambda _: 80)
    shown = sparkctl("stacks", "list", file=None).stdout
    lines = shown.partition("\n\n")[0].splitlines()[1:]
    rows = {line.split()[0]: line for line in lines if line[0] != " "}  # a long model goes on below
    assert list(rows) == stack_names()
    assert max(len(line) for line in shown.splitlines()) <= 80
    assert rows["llama3-70b-lora"].split()[1:4] == [
        "meta-llama/Llama-3.1-70B-Instruct",
        "lora",
        "2+",
    ]
    for name in stack_names():
        assert load_stack(name).description in " ".join(shown.split())


def test_the_list_for_programs(sparkctl: Sparkctl) -> None:
    report = StacksReport.model_validate_json(
        sparkctl("stacks", "list", "--json", file=None).stdout
    )
    assert [stack.name for stack in report.stacks] == stack_names()
    sizes = {stack.name: stack.memory_bytes or 0 for stack in report.stacks}
    assert 60 * 2**30 < sizes["llama3-70b-lora"] < 100 * 2**30  # half of the base, and more


@pytest.mark.parametrize("name", stack_names())
def test_show_is_the_file_as_it_is_shipped(name: str, sparkctl: Sparkctl) -> None:
    shown = sparkctl("stacks", "show", name, file=None).stdout
    assert shown == (ROOT / "stacks" / f"{name}.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize("command", ["show", "copy"])
def test_a_name_that_is_none(command: str, sparkctl: Sparkctl, tmp_path: Path) -> None:
    ran = sparkctl("stacks", command, "lama3-8b-lora", file=None)
    assert ran.code == 3
    assert "Did you mean 'llama3-8b-lora'?" in ran.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", stack_names())
def test_a_copy_is_the_same_stack(name: str, sparkctl: Sparkctl, tmp_path: Path) -> None:
    ran = sparkctl("stacks", "copy", name, file=None)
    assert ran.code == 0, ran.stderr
    assert ran.stdout == f"{name}.yaml is written. Next: sparkctl train ./{name}.yaml\n"
    file = tmp_path / f"{name}.yaml"
    assert load_stack(str(file)) == load_stack(name)
    first, _, rest = file.read_text(encoding="utf-8").partition("\n")
    assert rest == (ROOT / "stacks" / f"{name}.yaml").read_text(encoding="utf-8")
    schema = Path(first.removeprefix("# yaml-language-server: $schema="))
    assert json.loads(schema.read_text(encoding="utf-8"))["title"] == "StackSpec"


def test_what_is_there_is_replaced_only_when_that_is_said(
    sparkctl: Sparkctl, tmp_path: Path
) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("precious", encoding="utf-8")
    ran = sparkctl("stacks", "copy", "tiny-llama-lora", "mine.yaml", file=None)
    assert (ran.code, file.read_text(encoding="utf-8")) == (3, "precious")
    assert "mine.yaml: there is such a file already" in ran.stderr and "--force" in ran.stderr
    assert (
        sparkctl("stacks", "copy", "tiny-llama-lora", "mine.yaml", "--force", file=None).code == 0
    )
    assert load_stack(str(file)) == load_stack("tiny-llama-lora")
    assert list(tmp_path.iterdir()) == [file]


def test_a_link_that_leads_nowhere_is_there_too(sparkctl: Sparkctl, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").symlink_to(tmp_path / "elsewhere.yaml")
    assert sparkctl("stacks", "copy", "tiny-llama-lora", "mine.yaml", file=None).code == 3
    assert not (tmp_path / "elsewhere.yaml").exists()


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("mine", "mine.yaml"),
        ("mine.yml.txt", "ends in .yaml"),
        ("nowhere/mine.yaml", "cannot be written: No such file or directory"),
    ],
)
def test_a_file_that_cannot_be(file: str, words: str, sparkctl: Sparkctl, tmp_path: Path) -> None:
    ran = sparkctl("stacks", "copy", "tiny-llama-lora", file, file=None)
    assert (ran.code, words in ran.stderr) == (3, True)
    assert list(tmp_path.iterdir()) == []


def test_into_a_folder(sparkctl: Sparkctl, tmp_path: Path) -> None:
    (tmp_path / "my stacks").mkdir()
    ran = sparkctl("stacks", "copy", "tiny-llama-lora", "my stacks", file=None)
    assert (tmp_path / "my stacks" / "tiny-llama-lora.yaml").is_file()
    assert ran.stdout.endswith("sparkctl train 'my stacks/tiny-llama-lora.yaml'\n")
