"""`cluster up` stopped in the middle on real machines: it goes on, or goes back."""

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from orchestrator.lab.wait import until
from orchestrator.names import LAUNCH_FOLDER, LOCK_FOLDER
from tests.lab.machine import Machine, snapshot
from tests.lab.sparkctl import Sparkctl


@pytest.mark.parametrize("then", ["up", "down"])
def test_ctrl_c_leaves_a_state_that_both_ways_lead_out_of(
    sparkctl: Sparkctl, machines: dict[str, Machine], then: str
) -> None:
    sparkctl("cluster", "plan")
    before = {name: snapshot(machine) for name, machine in machines.items()}
    with subprocess.Popen(
        [sys.executable, "-u", "-m", "orchestrator", "-f", str(sparkctl.file), "cluster", "up",
         "--yes"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("✓"):
                process.send_signal(signal.SIGINT)
                break
        _, stderr = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "E501: stopped after" in stderr
    assert {name: snapshot(machine) for name, machine in machines.items()} != before

    try:
        if then == "up":
            sparkctl("cluster", "up", "--yes")
            assert "no changes" in sparkctl("cluster", "status", "--check").stdout
    finally:
        sparkctl("cluster", "down", "--yes")
    assert {name: snapshot(machine) for name, machine in machines.items()} == before


def test_a_group_that_stands_in_one_of_its_two_files_is_given_back(
    sparkctl: Sparkctl, machines: dict[str, Machine]
) -> None:
    """What a power cut in the middle of gpasswd leaves: /etc/gshadow is written second."""
    sparkctl("cluster", "plan")
    before = {name: snapshot(machine) for name, machine in machines.items()}
    try:
        sparkctl("cluster", "up", "--yes")
        machines["spark-b"].run("sed", "-i", "/^docker:/s/nvidia//", "/etc/group")
    finally:
        sparkctl("cluster", "down", "--yes")
    assert {name: snapshot(machine) for name, machine in machines.items()} == before


def test_a_kept_plan_is_carried_out_once(
    sparkctl: Sparkctl, machines: dict[str, Machine], tmp_path: Path
) -> None:
    kept = tmp_path / "plan.json"
    sparkctl("cluster", "plan", "--out", str(kept))
    try:
        sparkctl("cluster", "up", "--yes", "--plan", str(kept))
        assert "E401" in sparkctl("cluster", "up", "--yes", "--plan", str(kept), expect=6).stderr
    finally:
        sparkctl("cluster", "down", "--yes")


@pytest.mark.parametrize("elsewhere", [True, False])
def test_two_at_once_and_one_that_died(
    sparkctl: Sparkctl, machines: dict[str, Machine], elsewhere: bool
) -> None:
    """On another computer nobody knows that it died; on this one it is known at once."""
    machine = machines["spark-a"]
    owner = "/run/sparkctl/lock/owner"
    command = [sys.executable, "-m", "orchestrator", "-f", str(sparkctl.file)]
    first = subprocess.Popen(
        [*command, "cluster", "up", "--yes"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        until(
            lambda: machine.attempt("test", "-s", owner)[0] == 0, what="lock", deadline_seconds=30
        )
        refused = sparkctl("cluster", "up", "--yes", expect=6)
        assert "E402" in refused.stderr
        assert f"(pid {first.pid}), `sparkctl cluster up`" in refused.stderr

        first.kill()
        first.wait(timeout=30)
        assert f"(pid {first.pid})" in sparkctl("cluster", "lock", "show").stdout
        if elsewhere:
            for one in machines.values():
                one.attempt("sed", "-i", 's/"computer": "/&another /', owner)
            sparkctl("cluster", "up", "--yes", expect=6)
            for one in machines.values():  # a minute later
                one.attempt("touch", "-c", "-d", "2 minutes ago", owner)
        sparkctl("cluster", "up", "--yes")
        assert sparkctl("cluster", "lock", "show").stdout.count("free") == 2
        sparkctl("cluster", "status", "--check")
    finally:
        first.kill()
        first.wait()
        sparkctl("cluster", "lock", "break", "--yes")
        sparkctl("cluster", "down", "--yes")


def test_a_laptop_that_slept_for_too_long_makes_no_further_change(
    sparkctl: Sparkctl, machines: dict[str, Machine]
) -> None:
    # The clock of a stopped process goes on, that of a suspended computer stands still.
    cluster = yaml.safe_load(sparkctl.file.read_text())
    file = sparkctl.file.with_name("awake.yaml")
    file.write_text(yaml.safe_dump(cluster | {"ssh": cluster["ssh"] | {"connect_timeout": 300}}))
    owners = [f"{folder}/lock/owner" for folder in (LOCK_FOLDER, LAUNCH_FOLDER)]
    command = [sys.executable, "-u", "-m", "orchestrator", "-f", str(file)]
    sleeper = subprocess.Popen(
        [*command, "cluster", "up", "--yes"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert sleeper.stdout is not None
        assert any(line.startswith("✓") for line in sleeper.stdout), "no change was made"
        sleeper.send_signal(signal.SIGSTOP)
        for one in machines.values():  # a minute later
            one.attempt("touch", "-c", "-d", "2 minutes ago", *owners)
        sparkctl("cluster", "up", "--yes")
        sleeper.send_signal(signal.SIGCONT)
        _, stderr = sleeper.communicate(timeout=120)
        assert sleeper.returncode == 7, stderr
        assert "E503" in stderr
        assert "took over the lock" in stderr
        sparkctl("cluster", "status", "--check")
        assert sparkctl("cluster", "lock", "show").stdout.count("free") == 2
    finally:
        sleeper.kill()
        sleeper.communicate()
        sparkctl("cluster", "down", "--yes")


def test_a_full_disk_is_said_before_anything_is_changed(
    sparkctl: Sparkctl,
    machines: dict[str, Machine],
    later: Callable[[Callable[[], object]], None],
) -> None:
    machine, state = machines["spark-b"], "/var/lib/sparkctl"
    sparkctl("cluster", "plan")
    before = {name: snapshot(machine) for name, machine in machines.items()}
    later(lambda: sparkctl("cluster", "down", "--yes"))
    later(lambda: machine.attempt("rmdir", state))
    later(lambda: machine.attempt("umount", state))
    machine.run("mkdir", state)
    machine.run("mount", "-t", "tmpfs", "-o", "size=8k", "tmpfs", state)
    machine.attempt("sh", "-c", f"head -c 1M /dev/zero >{state}/full")

    failed = sparkctl("cluster", "up", "--yes", expect=7).stderr
    assert "E500: docker-group on spark-b was left as it is" in failed
    assert "No space left on device" in failed
    assert "Make room on the disk" in failed
    sparkctl("cluster", "down", "--yes")  # of the other machine; here there is nothing to take back
    machine.run("umount", state)
    machine.run("rmdir", state)
    assert {name: snapshot(machine) for name, machine in machines.items()} == before
