"""A user's mistakes at the command line: words on stderr, a documented exit code, no traceback."""

import socket
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.facts.machine import Facts
from orchestrator.ui.report import ClusterReport
from tests.cli.conftest import Sparkctl
from tests.spec.test_bad_clusters import CASES, text_of
from tests.support.fakes import FakeCluster

COMMANDS = [("cluster", c) for c in ("plan", "up", "status", "down")] + [
    ("train", "tiny-llama-lora")
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_a_wrong_cluster_file(case: dict[str, str], sparkctl: Sparkctl, tmp_path: Path) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_text(text_of(case), encoding="utf-8")
    ran = sparkctl("cluster", "plan", file=file)
    assert (ran.code, ran.stdout) == (3, "")
    assert ran.stderr.startswith(f"error E100: {file}")


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[1])
def test_no_cluster_file(command: tuple[str, ...], sparkctl: Sparkctl) -> None:
    ran = sparkctl(*command, file=None)
    assert (ran.code, ran.stdout) == (3, "")
    assert ran.stderr.startswith("error E100: cluster.yaml: there is no such cluster file\n")
    assert "  → " in ran.stderr


def test_a_folder_in_the_place_of_the_file(sparkctl: Sparkctl, tmp_path: Path) -> None:
    ran = sparkctl("cluster", "plan", file=tmp_path)
    assert ran.code == 3
    assert "cannot be read" in ran.stderr


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (("train", "tiny-lama-lora"), 3, "Did you mean 'tiny-llama-lora'?"),
        (("train", "./mine.yaml"), 3, "there is no such stack file"),
        (("train", "tiny-llama-lora", "--set", "training.optim.lrr=1"), 3, "error E102: --set "),
        (("train", "tiny-llama-lora", "--set", "training.optim.lr"), 3, "form key=value"),
        (
            ("train", "tiny-llama-lora", "--set", "training.optim.lr=fast"),
            3,
            "a number is expected",
        ),
        (("train", "tiny-llama-lora", "--set"), 2, "requires an argument"),
        (("train",), 2, "Missing argument 'STACK'"),
        (("cluster", "upp"), 2, "No such command 'upp'"),
        (("cluster", "up", "--force"), 2, "No such option"),
        (("cluster", "up", "now"), 2, "unexpected extra argument"),
        (("lab", "up", "--nodes", "0"), 2, "1<=x<=26"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_a_wrong_command_line(
    args: tuple[str, ...], code: int, words: str, sparkctl: Sparkctl, site: FakeCluster
) -> None:
    ran = sparkctl(*args)
    assert ran.code == code
    assert words in ran.stderr
    assert ran.stdout == ""
    assert site.connected == []


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[1])
def test_a_machine_that_is_off_is_named_with_the_line_to_try(
    command: tuple[str, ...], sparkctl: Sparkctl, tmp_path: Path
) -> None:
    """Real SSH, to a port of this computer on which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        file = tmp_path / "cluster.yaml"
        file.write_text(
            "apiVersion: sparkctl/v1\nkind: Cluster\nname: desk\nnodes:\n"
            f"- {{name: dark, ssh: {{host: 127.0.0.1, port: {port}, user: me}}}}\n"
        )
        ran = sparkctl(*command, file=file)
    assert ran.code == 4
    assert f"error E200: dark (127.0.0.1:{port}) cannot be reached" in ran.stderr
    assert f"ssh -p {port}" in ran.stderr


@pytest.mark.parametrize("command", ["up", "down"])
def test_without_a_terminal_and_without_yes_nothing_is_changed(
    command: str, sparkctl: Sparkctl, site: FakeCluster
) -> None:
    if command == "down":
        journal = {"0001-x.json": _member_record()}
        site.machines["spark-a"].facts = _with_journal(site, journal)
    ran = sparkctl("cluster", command)
    assert ran.code == 8
    assert ran.stderr.startswith("error E600: nothing was changed: there is no terminal to ask in")
    assert "--yes" in ran.stderr
    assert [machine.changes for machine in site.machines.values()] == [[], []]


@pytest.mark.parametrize("command", ["plan", "up", "status", "down"])
@pytest.mark.parametrize("name", ["no file", "wrong file"])
def test_with_json_a_failure_is_a_document_too(
    command: str, name: str, sparkctl: Sparkctl, tmp_path: Path
) -> None:
    file = tmp_path / "c.yaml"
    if name == "wrong file":
        file.write_text("nodes: 1\n")
    ran = sparkctl("cluster", command, "--json", file=file)
    report = ClusterReport.model_validate_json(ran.stdout)
    assert (report.command, report.ok, report.cluster) == (command, False, None)
    assert report.error is not None
    assert report.error["code"] == "E100"
    assert str(file) in str(report.error["brief"])
    assert ran.code == 3
    assert ran.stderr.startswith("error E100")


def test_a_sudo_password_file_that_is_not_there(sparkctl: Sparkctl, tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(
        "apiVersion: sparkctl/v1\nkind: Cluster\nname: desk\nnodes: [{name: a}]\n"
        "sudo: {password_file: pw}\n"
    )
    ran = sparkctl("cluster", "plan", file=file)
    assert ran.code == 3
    assert f"{tmp_path / 'pw'}: the sudo password file cannot be read" in ran.stderr


def _member_record() -> dict[str, object]:
    return {
        "version": 1,
        "cluster": "desk",
        "resource": "DockerGroup",
        "fields": {"node": "spark-a", "user": "nvidia"},
        "original": {"member": True},
        "written": {"member": True},
    }


def _with_journal(site: FakeCluster, journal: dict[str, dict[str, object]]) -> Facts:
    return replace(site.machines["spark-a"].facts, journal=journal)
