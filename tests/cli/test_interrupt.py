"""A real `sparkctl` and its signals, at a machine that hangs: gone in time, and it is said."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from orchestrator.lab.wait import until
from tests.support.ssh_server import SilentServer, silent_server

pytestmark = pytest.mark.patient

ENDS_WITHIN = 30.0
"""Seconds; the command that hangs would hold it for a minute, and its threads for ever."""

EXIT_CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}


@pytest.fixture
def machine() -> Iterator[SilentServer]:
    with silent_server() as server:
        yield server


@contextmanager
def running(*command: str) -> Iterator[subprocess.Popen[str]]:
    """Signals reach it, also where whoever runs the tests has them ignored."""

    def set_signals() -> None:
        for number in EXIT_CODES:
            signal.signal(number, signal.SIG_DFL)

    with subprocess.Popen(
        [sys.executable, *command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, preexec_fn=set_signals,
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            process.kill()


def wait_for_a_command(machine: SilentServer, process: subprocess.Popen[str]) -> None:
    """Until one hangs on the machine."""

    def hangs() -> bool:
        assert process.poll() is None, process.communicate()
        return machine.started.is_set()

    until(hangs, what="a command that hangs", deadline_seconds=90)


@pytest.mark.parametrize("number", EXIT_CODES)
@pytest.mark.parametrize(
    "command",
    [("cluster", "up", "--yes"), ("runs", "list"), ("train", "tiny-llama-lora", "--queue")],
)
def test_a_machine_that_hangs_does_not_hold_who_wants_to_leave(
    machine: SilentServer, tmp_path: Path, number: signal.Signals, command: tuple[str, ...]
) -> None:
    file = machine.cluster_file(tmp_path)
    with running("-m", "orchestrator", "-f", str(file), *command) as process:
        wait_for_a_command(machine, process)
        process.send_signal(number)
        _, stderr = process.communicate(timeout=ENDS_WITHIN)
    assert process.returncode == EXIT_CODES[number]
    assert stderr.strip().endswith("stopped")
    assert "Traceback" not in stderr


_DRILL = """\
import sys, time
from functools import partial
from pathlib import Path
from orchestrator.artifacts.image import ensure_image, image_recipe
from orchestrator.cli import main
from orchestrator.engines.torch.image import contents
from orchestrator.node.connect import connect_all
from orchestrator.node.parallel import on_each
from orchestrator.spec.load import load_cluster


def pull(node):
    with node.reading("tar -c .", silence=600) as stream:
        stream.read()


def drill(words):
    with connect_all(load_cluster(Path(sys.argv[1]))) as nodes:
        node = nodes["spark-a"]
        {drill}


main.call = drill
main.main()
"""


@pytest.mark.parametrize(
    "drill",
    {
        "a script, waited for alone": "node.script('true', deadline=600)",
        "an image that is built": "on_each(nodes, lambda name: ensure_image("
        "node, image_recipe('base', contents()), print))",
        "a file that comes": "on_each(nodes, lambda name: pull(node))",
    }.items(),
    ids=lambda drill: drill[0],
)
def test_whatever_hangs_ctrl_c_leaves_it(
    machine: SilentServer, tmp_path: Path, drill: tuple[str, str]
) -> None:
    file = machine.cluster_file(tmp_path)
    with running("-c", _DRILL.format(drill=drill[1]), str(file)) as process:
        wait_for_a_command(machine, process)
        process.send_signal(signal.SIGINT)
        began = time.monotonic()
        _, stderr = process.communicate(timeout=ENDS_WITHIN)
        print(f"{drill[0]}: {time.monotonic() - began:.1f} s from Ctrl-C to the end")
    assert (process.returncode, stderr.strip()) == (130, "stopped")


_MIDDLE = """\
import sys, time
from orchestrator.cli.interrupt import interruptible, stopped_by_interrupt
from orchestrator.reconcile.current_changes import CurrentChanges
from orchestrator.resources.base import Change

current = CurrentChanges()
with interruptible(), stopped_by_interrupt(current):
    current.begin(Change("spark-a", "daemon.json", "update", "restart \\x1b Docker", 1, {}, {}))
    print("begun", flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("number", EXIT_CODES)
def test_a_change_that_does_not_end_is_named_by_whom_it_is_left(number: signal.Signals) -> None:
    with running("-c", _MIDDLE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "begun\n"
        process.send_signal(number)
        said = [process.stderr.readline() for _ in range(3)]
        named = "spark-a/daemon.json: restart \\x1b Docker\n"
        assert said[1] == f"stopping when this is done: {named}"
        assert "again stops at once" in said[2]
        assert process.poll() is None
        process.send_signal(number)
        _, rest = process.communicate(timeout=ENDS_WITHIN)
    assert rest.strip() == f"left in the middle: {named}".strip()
    assert process.returncode == EXIT_CODES[number]


_HANGS_ON_THE_WAY_OUT = """\
import threading
from orchestrator.cli import interrupt

interrupt.LEAVES_WITHIN = 0.5
with interrupt.interruptible():
    try:
        print("begun", flush=True)
        threading.Event().wait()
    finally:
        print("tidying up", flush=True)
        threading.Event().wait()
"""


@pytest.mark.parametrize("again", [False, True])
def test_what_hangs_on_the_way_out_holds_nobody(again: bool) -> None:
    program = _HANGS_ON_THE_WAY_OUT.replace("0.5", "600") if again else _HANGS_ON_THE_WAY_OUT
    with running("-c", program) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "tidying up\n"
        if again:
            process.send_signal(signal.SIGINT)
        process.communicate(timeout=ENDS_WITHIN)
    assert process.returncode == 130
