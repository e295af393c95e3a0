"""Into a run while it goes on: its own name, its lines as they come, a command in a container."""

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from orchestrator.lab.wait import until
from tests.lab.machine import Machine
from tests.lab.sparkctl import Sparkctl
from tests.lab.test_gang import Run

NAME = "doors"
DEADLINE = 900  # seconds; nothing here is about time


def step_of(run: Run) -> int:
    return max((told["step"] for told in run.told() if told["event"] == "step"), default=0)


def command_of(sparkctl: Sparkctl, *words: str) -> list[str]:
    return [sys.executable, "-m", "orchestrator", "-f", str(sparkctl.file), "runs", *words]


@pytest.fixture(scope="module")
def run(machines: dict[str, Machine], module_up: Sparkctl) -> Run:
    """One that goes on for as long as the tests of this file want."""
    ran = module_up(
        "train", "tiny-llama-lora", "--name", NAME, "--detach",
        "--set", "training.loop.max_steps=100000", "--set", "training.checkpoint.every=5",
        "--set", "training.loop.eval_every=0", "--set", "gang.backoff_seconds=1",
    )  # fmt: skip
    assert f"run {NAME}:" in ran.stdout
    run = Run(NAME, module_up, machines)
    until(lambda: step_of(run) >= 6, what="step 6", deadline_seconds=DEADLINE)
    return run


def test_a_name_that_is_taken(run: Run, module_up: Sparkctl) -> None:
    again = module_up("train", "tiny-llama-lora", "--name", NAME, expect=10)
    assert f"there is a run {NAME} already: it runs" in again.stderr
    assert "no run can be called last" in module_up(
        "train", "tiny-llama-lora", "--name", "last", expect=3
    ).stderr  # fmt: skip


def test_a_command_its_streams_and_its_exit_code(run: Run, module_up: Sparkctl) -> None:
    script = 'echo "rank $SPARKCTL_RANK of $SPARKCTL_RUN_ID"; echo beside >&2; exit 7'
    ran = module_up("runs", "exec", NAME, "--rank", "1", "--", "sh", "-c", script, expect=7)
    assert (ran.stdout, ran.stderr) == (f"rank 1 of {NAME}\n", "beside\n")
    words = ("a b", "$HOME", "'", '"', "*", "-f")
    shown = module_up("runs", "exec", NAME, "--", "printf", "%s\\n", *words)
    assert shown.stdout.splitlines() == list(words)
    assert shown.stderr == "rank 0 on spark-a; another one: --rank N\n"
    same = module_up("runs", "exec", NAME, "--", "sh", "-c", "stat -c %u /proc/1; id -u").stdout
    assert len(set(same.split())) == 1
    assert "has no rank 5" in module_up("runs", "exec", NAME, "--rank", "5", expect=10).stderr
    assert module_up("runs", "exec", NAME, "--", "nothing-like-it", expect=127)


@contextmanager
def not_in_the_docker_group(machine: Machine) -> Iterator[None]:
    machine.run("gpasswd", "-d", "nvidia", "docker")
    try:
        yield
    finally:
        machine.run("gpasswd", "-a", "nvidia", "docker")


def test_what_is_given_arrives_and_no_password_does(
    machines: dict[str, Machine], run: Run, module_up: Sparkctl, password: str
) -> None:
    """Where Docker takes sudo, too, and sudo a password."""
    data = os.urandom(300_000)
    with not_in_the_docker_group(machines["spark-b"]):
        for rank in ("0", "1"):
            cat = command_of(module_up, "exec", NAME, "--rank", rank, "--", "cat")
            done = subprocess.run(
                cat, input=data, capture_output=True, timeout=120, cwd=module_up.file.parent
            )
            assert (done.returncode, done.stdout, done.stderr) == (0, data, b"")
        sees = ("sh", "-c", "cat /proc/self/environ /proc/self/cmdline")
        seen = module_up("runs", "exec", NAME, "--rank", "1", "--", *sees).stdout
        assert "SPARKCTL_RANK" in seen and password not in seen


def test_a_shell_on_a_terminal_of_this_size(run: Run, module_up: Sparkctl) -> None:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 101, 0, 0))
    process = subprocess.Popen(
        command_of(module_up, "exec", NAME), stdin=theirs, stdout=theirs, stderr=theirs,
        start_new_session=True, cwd=module_up.file.parent,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )  # fmt: skip
    os.close(theirs)
    screen = bytearray()

    def shows(wanted: bytes) -> None:
        end = time.monotonic() + 120
        while wanted not in screen:
            assert time.monotonic() < end, screen
            try:
                screen.extend(os.read(ours, 4096))
            except OSError:
                pytest.fail(f"it has ended: {screen.decode()}")

    try:
        shows(b"$ ")
        os.write(ours, b"until [ \"$(stty size)\" = '33 101' ]; do :; done; echo so $((1+1))\n")
        shows(b"so 2")
        fcntl.ioctl(ours, termios.TIOCSWINSZ, struct.pack("HHHH", 44, 122, 0, 0))
        os.write(ours, b"until [ \"$(stty size)\" = '44 122' ]; do :; done; echo now $((2+2))\n")
        shows(b"now 4")
        # Said by what Ctrl-C is to end: the shell itself may lose one before it has started it.
        os.write(ours, b"sh -c 'echo go $((4+4)); exec sleep 600'\n")
        shows(b"go 8")
        os.write(ours, b"\x03")  # Ctrl-C ends what runs there, not this
        shows(b"^C")
        os.write(ours, b"echo on $((3+3)); exit 9\n")
        shows(b"on 6")
        assert process.wait(timeout=60) == 9
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def until_line(process: "subprocess.Popen[str]", part: str) -> None:
    assert process.stdout is not None
    assert any(part in line for line in process.stdout), process.communicate()


def test_lines_are_followed_into_the_next_attempt_until_the_end(
    machines: dict[str, Machine], run: Run, module_up: Sparkctl
) -> None:
    tail = module_up("runs", "logs", NAME, "--events", "--tail", "3").stdout.splitlines()
    assert len(tail) == 3
    follow = command_of(module_up, "logs", NAME, "-f", "--tail", "0", "--events", "--rank", "1")
    process = subprocess.Popen(
        follow, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, cwd=module_up.file.parent, env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    too_late = threading.Timer(DEADLINE, process.kill)
    too_late.start()
    try:
        until_line(process, '"event":"step"')
        mine = ("docker", "ps", "-q", "--filter", f"label=sparkctl.run={NAME}")
        machines["spark-b"].run("docker", "kill", machines["spark-b"].run(*mine).strip())
        until_line(process, '"event":"resumed"')
        module_up("runs", "stop", NAME)
        rest, beside = process.communicate(timeout=120)
        assert process.returncode == 0, beside
        assert f"{NAME}: stopped at step" in beside
        assert " rank 0 " not in rest
    finally:
        too_late.cancel()
        process.kill()
        process.communicate()


def test_resumed_with_debug_and_none_after_its_end(
    machines: dict[str, Machine], run: Run, module_up: Sparkctl
) -> None:
    ended = module_up("runs", "exec", NAME, "--", "id", expect=10).stderr
    assert f"{NAME} has no containers: it is stopped" in ended
    before = step_of(run)
    module_up("runs", "resume", NAME, "--debug", "--detach")
    until(lambda: step_of(run) > before, what="a step", deadline_seconds=DEADLINE)
    debug = module_up("runs", "exec", NAME, "--", "printenv", "NCCL_DEBUG")
    assert debug.stdout == "INFO\n"
    module_up("runs", "rm", NAME, "--force", "--yes")
    assert "there is no run" in module_up("runs", "show", NAME, expect=10).stderr
