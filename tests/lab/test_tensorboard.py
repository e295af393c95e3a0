"""The curves of a run in a browser here: a real TensorBoard in a container over there."""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from orchestrator.lab.wait import until
from tests.lab.machine import Machine
from tests.lab.sparkctl import Sparkctl

BOARDS = ("docker", "ps", "-q", "--filter", "label=sparkctl.run")


@pytest.fixture(scope="module")
def run(module_up: Sparkctl) -> str:
    """One that has ended."""
    said = module_up("train", "tiny-llama-lora", "--set", "training.loop.max_steps=12").stdout
    return said.split()[1].rstrip(":")


@contextmanager
def shown(sparkctl: Sparkctl, *words: str) -> "Iterator[tuple[subprocess.Popen[str], str]]":
    """The command, once it has told its address."""
    command = [sys.executable, "-m", "orchestrator", "-f", str(sparkctl.file), "tensorboard"]
    process = subprocess.Popen(
        [*command, "--port", "0", *words], cwd=sparkctl.file.parent,
        env=os.environ | sparkctl.env | {"PYTHONUNBUFFERED": "1"}, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        line = process.stdout.readline() if process.stdout else ""
        address = re.search(r"http://127\.0\.0\.1:\d+/", line)
        assert address, (line, process.communicate())
        yield process, address[0]
    finally:
        process.kill()
        process.communicate()


def gone(machine: Machine) -> None:
    until(lambda: not machine.run(*BOARDS).strip(), what="the end of it", deadline_seconds=60)


def test_the_curves_are_shown_until_ctrl_c(
    machines: dict[str, Machine], module_up: Sparkctl, run: str
) -> None:
    with shown(module_up) as (process, address):
        with urllib.request.urlopen(f"{address}data/plugin/scalars/tags", timeout=30) as answer:
            told = json.load(answer)
        assert "train/loss" in told[f"{run}/tensorboard"]
        point = f"{address}data/plugin/scalars/scalars?run={run}/tensorboard&tag=train/loss"
        with urllib.request.urlopen(point, timeout=30) as answer:
            assert [step for _, step, _ in json.load(answer)] == list(range(1, 13))
        with urllib.request.urlopen(address, timeout=30) as answer:
            assert b"<title>TensorBoard</title>" in answer.read()
        process.send_signal(signal.SIGINT)
        said, complaints = process.communicate(timeout=60)
        assert (process.returncode, complaints) == (0, ""), said
    gone(machines["spark-a"])


def test_it_ends_with_the_computer_that_asked(
    machines: dict[str, Machine], module_up: Sparkctl, run: str
) -> None:
    with shown(module_up, run) as (process, address):
        with urllib.request.urlopen(f"{address}data/plugin/scalars/tags", timeout=30) as answer:
            assert list(json.load(answer)) == ["tensorboard"]
        assert machines["spark-a"].run(*BOARDS).strip()
        process.kill()
    gone(machines["spark-a"])


def test_a_port_that_is_taken_and_a_run_that_is_not(module_up: Sparkctl, run: str) -> None:
    with shown(module_up) as (_, address):
        port = address.rstrip("/").rpartition(":")[2]
        taken = module_up("tensorboard", "--port", port, expect=4)
        assert f"port {port} of this computer is not free" in taken.stderr
    assert "there is no run" in module_up("tensorboard", "nothing", expect=10).stderr
