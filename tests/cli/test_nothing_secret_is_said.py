"""Secrets of this computer and of the machines: no command says one, whatever it is asked for.

Looked for in every form that training/contract/redactor.py knows: raw, in base64,
percent-encoded, escaped.
"""

import json
import re
from pathlib import Path

import pytest

from orchestrator.runs.launch import Prepared
from orchestrator.ui.run_json import run_started
from tests.cli.conftest import Ran, Sparkctl
from tests.cli.test_cluster import differ, take_in
from tests.support.clusters import ROOT
from tests.support.fakes import FakeCluster
from training.contract.redactor import Redactor

SECRETS = {
    "HF_TOKEN": "hf_planted/one+of them?",
    "WANDB_API_KEY": 'planted "two"\nwith a second line',
    "AWS_SECRET_ACCESS_KEY": "planted-three-that-no-recipe-names",
    "SPARKCTL_SUDO_PASSWORD": "planted four",
}
IN_A_FILE = "planted-five-in-a-file"
IN_DAEMON_JSON = "planted-six-of-a-proxy"
ALL = (*SECRETS.values(), IN_A_FILE, IN_DAEMON_JSON)


@pytest.fixture
def recipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, site: FakeCluster, sparkctl: Sparkctl
) -> str:
    """One that names all it can; the secrets are planted, and the machines taken in.

    After `sparkctl`, which begins by clearing the environment.
    """
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "key").write_text(IN_A_FILE)
    (tmp_path / "key").chmod(0o600)
    text = (ROOT / "stacks" / "tiny-llama-lora.yaml").read_text()
    (tmp_path / "mine.yaml").write_text(
        f"{text}\nsecrets: [{{name: HF_TOKEN}}, {{name: WANDB_API_KEY}},"
        f" {{name: A_KEY, file: {tmp_path}/key}}]\n"
    )
    take_in(site)
    return "./mine.yaml"


def said(ran: Ran) -> str:
    return ran.stdout + ran.stderr


def told(*texts: str) -> list[str]:
    """The lines in which a secret, or a line of one, stands in any form."""
    redact = Redactor(ALL)
    return [line for text in texts for line in text.splitlines() if redact(line) != line]


def test_a_secret_is_found_where_one_is() -> None:
    assert told("a", f"b {IN_A_FILE}", "with a second line", "planted%20four") == [
        f"b {IN_A_FILE}",
        "with a second line",
        "planted%20four",
    ]


@pytest.mark.parametrize("options", [
    ("--dry-run",), ("--render", "--debug"), ("--dry-run", "--json"), ("--trust-recipe",), (),
    ("--trust-recipe", "--json"), ("--trust-recipe", "--debug", "--detach"),
], ids=" ".join)  # fmt: skip
def test_train_says_none(
    options: tuple[str, ...], recipe: str, sparkctl: Sparkctl, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[Prepared] = []

    def start(spec: object, prepared: Prepared, *_: object, **__: object) -> object:
        kept.append(prepared)
        raise RuntimeError(f"in the middle of {prepared!r}")

    monkeypatch.setattr("orchestrator.api.runs.start", start)
    ran = sparkctl("train", recipe, *options)
    assert told(said(ran)) == []
    for prepared in kept:  # what goes to the machines as files, configs and lines of JSON
        assert set(prepared.secrets) == {"HF_TOKEN", "WANDB_API_KEY", "A_KEY"}
        record = prepared.record
        assert told(record.model_dump_json(), json.dumps(run_started(record), default=str)) == []
        assert told(prepared.rendered.compose, repr(prepared.rendered)) == []
        assert told(json.dumps(prepared.image.base), repr(prepared.stack)) == []
    assert bool(kept) == ("--trust-recipe" in options)


@pytest.mark.parametrize("command", [
    ("plan",), ("plan", "--diff"), ("plan", "--json"), ("plan", "--out", "plan.json"),
    ("up",), ("up", "--json"), ("status", "--json"), ("down", "--json"),
], ids=" ".join)  # fmt: skip
def test_cluster_says_none(
    command: tuple[str, ...], recipe: str, sparkctl: Sparkctl, site: FakeCluster, tmp_path: Path
) -> None:
    text = json.dumps({"proxies": {"http-proxy": f"http://u:{IN_DAEMON_JSON}@proxy:3128"}})
    differ(site, "spark-b", daemon_json=text)
    ran = sparkctl("cluster", *command)
    assert said(ran)
    plans = [file.read_text() for file in tmp_path.glob("plan.json")]
    assert len(plans) == ("--out" in command)
    assert told(said(ran), *plans) == []


def test_no_command_line_on_a_machine_holds_one(
    recipe: str, sparkctl: Sparkctl, site: FakeCluster
) -> None:
    sparkctl("cluster", "status")
    for machine in site.machines.values():
        assert machine.commands
        assert told(*machine.commands, *machine.scripts) == []


def test_variables_of_this_computer_go_nowhere(
    recipe: str, sparkctl: Sparkctl, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not one that no recipe names, secret or not."""
    monkeypatch.setenv("PLANTED_NAME", "planted-value-of-it")
    ran = sparkctl("train", recipe, "--dry-run")
    assert ran.code == 0
    assert not re.search("planted|PLANTED", said(ran))
