"""Logins as people have them: shells that greet, other shells, keys that run one thing alone."""

from collections.abc import Callable

import pytest
import yaml

from tests.lab.machine import Machine, snapshot
from tests.lab.sparkctl import Sparkctl

HOME = "/home/nvidia"
SUDO_RS = "/usr/lib/cargo/bin/sudo"
Later = Callable[[Callable[[], object]], None]


def greet(machine: Machine, later: Later) -> None:
    """In the file that bash reads for a command over SSH, before all else in it."""
    file = f"{HOME}/.bashrc"
    was = machine.read(file)
    later(lambda: machine.put(file, was, mode="644", owner="nvidia:nvidia"))
    machine.put(file, b"echo WELCOME; printf 'no newline'\n" + was, owner="nvidia:nvidia")


def use_tcsh(machine: Machine, later: Later) -> None:
    """Which takes no line of another shell, and greets, too."""
    later(lambda: machine.run("usermod", "-s", "/bin/bash", "nvidia"))
    machine.run("usermod", "-s", "/bin/tcsh", "nvidia")
    later(lambda: machine.put(f"{HOME}/.tcshrc", None))
    machine.put(f"{HOME}/.tcshrc", b"echo WELCOME\n", owner="nvidia:nvidia")


def test_what_a_login_shell_prints_is_nobody_s_answer(
    sparkctl: Sparkctl, machines: dict[str, Machine], later: Later
) -> None:
    greet(machines["spark-a"], later)
    use_tcsh(machines["spark-b"], later)
    sparkctl("cluster", "plan")  # the first use of sudo leaves marks of its own
    before = {name: snapshot(machine) for name, machine in machines.items()}
    try:
        sparkctl("cluster", "up", "--yes")
        sparkctl("cluster", "status", "--check")
        trained = sparkctl("train", "tiny-llama-lora", "--set", "training.loop.max_steps=5")
        assert "succeeded" in trained.stdout
        run = trained.stdout.split()[1].rstrip(":")
        sparkctl("runs", "fetch", run, "--to", str(sparkctl.file.parent / "fetched"))
    finally:
        sparkctl("cluster", "down", "--yes", "--delete-runs")
    assert {name: snapshot(machine) for name, machine in machines.items()} == before


def test_another_sudo(sparkctl: Sparkctl, machines: dict[str, Machine], later: Later) -> None:
    """sudo-rs, which new Ubuntus have as their sudo: with the password, and with a wrong one."""
    for machine in machines.values():
        if machine.attempt("test", "-x", SUDO_RS)[0] != 0:
            pytest.skip("these nodes' Debian has no sudo-rs")
        machine.run("ln", "-s", SUDO_RS, "/usr/local/bin/sudo")
        later(lambda m=machine: m.run("rm", "/usr/local/bin/sudo"))
    sparkctl("cluster", "plan")  # the first use of sudo leaves marks of its own
    before = {name: snapshot(machine) for name, machine in machines.items()}
    sparkctl("cluster", "up", "--yes")
    sparkctl("cluster", "status", "--check")
    sparkctl("cluster", "down", "--yes")
    assert {name: snapshot(machine) for name, machine in machines.items()} == before

    cluster = yaml.safe_load(sparkctl.file.read_text())
    file = sparkctl.file.parent / cluster["sudo"]["password_file"]
    right = file.read_text()
    later(lambda: file.write_text(right))
    file.write_text("not-the-password\n")
    refused = sparkctl("cluster", "plan", expect=5).stderr
    assert refused.count("error E300") == 2
    assert "Authentication failed" in refused  # sudo-rs's own words


@pytest.mark.parametrize("end", ["exit 0", "exit 1"])
def test_a_key_that_runs_one_thing_is_said(
    sparkctl: Sparkctl, machines: dict[str, Machine], later: Later, end: str
) -> None:
    machine, file = machines["spark-b"], f"{HOME}/.ssh/authorized_keys"
    was = machine.read(file)
    later(lambda: machine.put(file, was, mode="600", owner="nvidia:nvidia"))
    forced = f'command="echo only backups here; {end}" '.encode() + was
    machine.put(file, forced, mode="600", owner="nvidia:nvidia")
    failed = sparkctl("cluster", "up", "--yes", expect=7).stderr
    assert "E310: spark-b did not run what it was sent" in failed
    assert "only backups here" in failed
    assert "ForceCommand" in failed
