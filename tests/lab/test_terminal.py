"""At a terminal: one prompt for all machines' sudo, and a question that names the cluster."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import yaml

from tests.lab.machine import Machine, snapshot
from tests.lab.sparkctl import Sparkctl


def at_terminal(file: Path, *args: str, answers: list[tuple[str, str]]) -> tuple[int, str]:
    """Run sparkctl on a terminal, answering each prompt when it shows. Exit code and screen."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "orchestrator", "-f", str(file), *args],
        stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    screen, seen = "", 0
    waiting = list(answers)
    try:
        while True:
            try:
                part = os.read(ours, 4096)
            except OSError:  # the other end was closed
                break
            if not part:
                break
            screen += part.decode(errors="replace")
            if waiting and waiting[0][0] in screen[seen:]:
                seen = len(screen)
                os.write(ours, f"{waiting.pop(0)[1]}\n".encode())
        return process.wait(timeout=60), screen
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def test_sudo_is_asked_once_and_no_is_no(
    sparkctl: Sparkctl, machines: dict[str, Machine], password: str, tmp_path: Path
) -> None:
    data = yaml.safe_load(sparkctl.file.read_text())
    del data["sudo"]
    for node in data["nodes"]:
        node["ssh"]["key"] = str(sparkctl.file.parent / node["ssh"]["key"])
    data["ssh"]["known_hosts"] = str(sparkctl.file.parent / data["ssh"]["known_hosts"])
    file = tmp_path / "cluster.yaml"
    file.write_text(yaml.safe_dump(data))
    before = snapshot(machines["spark-b"])

    code, screen = at_terminal(
        file, "cluster", "up", answers=[("sudo password", password), ("[y/N]", "n")]
    )

    assert code == 8, screen
    assert screen.count("sudo password (for the nodes that want one)") == 1
    assert f"of cluster '{data['name']}'" in screen
    assert password not in screen
    assert snapshot(machines["spark-b"]) == before
