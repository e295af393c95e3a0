"""Every command of docs/from-the-playbook.md that can run here, against two simulated Sparks.

What needs a model of the Hub is dry-run in tests/cli/test_from_the_playbook.py. What a person would
do, and what would take long, is put in its place:

- a training of the tiny model ends after four steps;
- a question gets its yes (`--yes`), and hosts of `init` are those of the lab;
- what goes on until Ctrl-C gets one, and a run that is resumed is stopped (`--detach`).
"""

import os
import shlex
import signal
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path

from orchestrator.lab.wait import until
from tests.lab.machine import Machine
from tests.lab.sparkctl import Sparkctl
from tests.lab.test_gang import Run
from tests.support.playbook import commands

Later = Callable[[Callable[[], object]], None]
ASK = ("cluster up", "cluster down", "runs rm", "runs resume")
FEW = ("--set", "training.loop.max_steps=4")
LONG = ("--set", "training.loop.max_steps=100000", "--set", "training.checkpoint.every=2")


class Play:
    """The commands of the page that are still to be run, and how each is."""

    def __init__(self, sparkctl: Sparkctl) -> None:
        self.sparkctl = sparkctl
        self.here = list(commands("tested"))

    def take(self, beginning: str) -> list[list[str]]:
        """The words of all that begin so; they are done then."""
        found = [c for c in self.here if c.startswith(f"sparkctl {beginning}")]
        self.here = [c for c in self.here if c not in found]
        return [shlex.split(c)[1:] for c in found]

    def run(self, beginning: str, *more: str) -> int:
        """All that begin so, one after the other, and how many these were."""
        yes = ("--yes",) if beginning in ASK else ()
        taken = self.take(beginning)
        for words in taken:
            self.sparkctl(*words, *yes, *more)
        return len(taken)

    def start(self, words: list[str], said: Path) -> "subprocess.Popen[bytes]":
        """One that goes on; `said` gets what it writes."""
        with said.open("wb") as file:
            return subprocess.Popen(
                self.sparkctl.command(*words),
                cwd=self.sparkctl.file.parent, env=os.environ | self.sparkctl.env,
                stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT,
            )  # fmt: skip


def test_every_command_that_can_run_here_does(
    machines: dict[str, Machine], sparkctl: Sparkctl, tmp_path: Path, later: Later
) -> None:
    play = Play(sparkctl)
    later(lambda: sparkctl("cluster", "down", "--yes", "--delete-runs"))
    before_a_run(play, tmp_path / "watched", later)
    play.run("train tiny-llama-lora --render")
    assert play.run("train tiny-llama-lora", *FEW) == 2
    for words in ("runs follow", "runs show", "runs fetch"):
        assert play.run(words) == 1
    assert play.run("runs logs last --tail") == 1
    while_it_runs(play, machines, tmp_path / "logs", later)
    assert play.run("runs rm") == 1
    assert play.run("cluster down") == 1
    assert play.here == []


def before_a_run(play: Play, said: Path, later: Later) -> None:
    play.take("init")  # tests/lab/test_installed.py runs it
    assert play.run("cluster plan") == 2
    assert play.run("cluster up") == 2
    for words in play.take("cluster status --watch"):
        watching = play.start(words, said)
        later(watching.kill)
        until(lambda: "spark-b" in said.read_text("utf-8"), what="a row", deadline_seconds=60)
        watching.send_signal(signal.SIGINT)
        assert watching.wait(timeout=30) in (0, 130)
    assert play.run("cluster status") == 1
    folder = play.sparkctl.file.parent
    for name in ("mine.yaml", "my-script.yaml"):  # the folder is the whole session's
        later(partial((folder / name).unlink, missing_ok=True))
    play.run("stacks")


def while_it_runs(play: Play, machines: dict[str, Machine], said: Path, later: Later) -> None:
    started = play.sparkctl("train", "tiny-llama-lora", *LONG, "--detach").stdout
    run = Run(started.split()[1].rstrip(":"), play.sparkctl, machines)
    run.reach(1)
    play.run("runs exec")
    for words in play.take("runs logs last -f"):
        logs = play.start(words, said)
        later(logs.kill)
        assert play.run("runs stop") == 1
        assert logs.wait(timeout=60) == 0  # ends with the run
        assert "rank 1" in said.read_text("utf-8")
    play.run("runs stop")
    for words in play.take("runs resume"):
        play.sparkctl(*words, "--yes", "--detach")
        play.sparkctl("runs", "stop", "last")
