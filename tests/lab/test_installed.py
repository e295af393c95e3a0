"""`uv tool install` of the wheel, then a first hour in a folder outside of any checkout."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from orchestrator.lab import LabSpec, access
from tests.lab.machine import Machine
from tests.lab.sparkctl import Sparkctl
from tests.lab.test_gang import Run
from tests.support.distribution import built
from tests.support.installed import Installed, install, outside

Later = Callable[[Callable[[], object]], None]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return install(built("wheel", tmp_path_factory.mktemp("wheel")), tmp_path_factory.mktemp("uv"))


@pytest.fixture
def person(installed: Installed, lab: LabSpec, tmp_path: Path) -> Sparkctl:
    """In an empty folder. The simulated Sparks are those that the checkout has made."""
    (tmp_path / "home").mkdir()
    (tmp_path / "work").mkdir()
    env = {
        "PYTHONPATH": "",
        "HOME": str(tmp_path / "home"),
        "SPARKCTL_SUDO_PASSWORD": access.Access(lab.state).password,
    }
    return Sparkctl(tmp_path / "work" / "cluster.yaml", env, (str(installed.program),))


def test_nothing_of_the_checkout_is_used(installed: Installed, tmp_path: Path) -> None:
    code = "import orchestrator, training; print(orchestrator.__file__, training.__file__)"
    command = [installed.python, "-c", code]
    used = subprocess.check_output(command, env=outside(), cwd=tmp_path, text=True).split()
    assert len(used) == 2
    for file in used:
        assert Path(file).is_relative_to(installed.python.parents[1])


def test_from_the_first_command_to_the_last(
    person: Sparkctl, lab: LabSpec, machines: dict[str, Machine], tmp_path: Path, later: Later
) -> None:
    make_the_cluster_file(person, lab)
    later(lambda: person("cluster", "down", "--yes", "--delete-runs"))
    person("cluster", "up", "--yes")
    person("stacks", "copy", "tiny-llama-lora", "mine.yaml")

    many = ("--set", "training.loop.max_steps=100000", "--set", "training.checkpoint.every=5")
    started = person("train", "./mine.yaml", *many, "--trust-recipe", "--detach").stdout
    run = Run(started.split()[1].rstrip(":"), person, machines)
    run.reach(1)
    ran = person("runs", "exec", "last", "--rank", "1", "--", "cat", "/proc/1/comm")
    assert ran.stdout.strip()
    followed = follow_the_logs(person, later)
    person("runs", "stop", "last")
    said, _ = followed.communicate(timeout=60)  # ends with the run
    assert followed.returncode == 0
    assert "rank 0" in said and "rank 1" in said

    person("runs", "fetch", "last", "--to", str(tmp_path / "out"))
    assert (tmp_path / "out" / run.name / "log-rank1.txt").is_file()
    person("cluster", "down", "--yes", "--delete-runs")
    status = person("cluster", "status", "--json").json()
    assert not status["converged"]


def make_the_cluster_file(person: Sparkctl, lab: LabSpec) -> None:
    """By `init`, and what only a lab needs besides."""
    known = yaml.safe_load(lab.out.read_text(encoding="utf-8"))
    keys = access.Access(lab.state)
    hosts = "".join(
        f"Host {node['name']}\n HostName {node['ssh']['host']}\n Port {node['ssh']['port']}\n"
        f" User {node['ssh']['user']}\n IdentityFile {keys.key}\n"
        f" UserKnownHostsFile {keys.known_hosts}\n"
        for node in known["nodes"]
    )
    (person.file.parent / "ssh_config").write_text(hosts, encoding="utf-8")
    person("init", *(n["name"] for n in known["nodes"]), "--ssh-config", "ssh_config", "--yes")
    with person.file.open("a", encoding="utf-8") as file:
        file.write(yaml.safe_dump({"container": known["container"]}))


def follow_the_logs(person: Sparkctl, later: Later) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        person.command("runs", "logs", "last", "-f"),
        cwd=person.file.parent, env=outside() | person.env, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    later(process.wait)
    later(process.kill)
    return process
