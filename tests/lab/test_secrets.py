"""Secrets of a run that tells them wherever it can: nobody finds one, on no node and nowhere here.

The run's base image says them itself (`leak.py`). Excepted are Docker's own store and /run/secrets.
"""

import base64
import contextlib
import json
import shlex
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.lab.machine import Machine
from tests.lab.sparkctl import Sparkctl
from tests.lab.test_gang import RUNS
from tests.support.ear import ear
from training.contract.redactor import Redactor

SECRETS = {
    "HF_TOKEN": "hf_planted/5e8c1d+2f of 7a90?",
    "WANDB_API_KEY": '{"planted": "91b7c0ffee44"}\nwith_a_second_line_4711',
}
IMAGE = "planted:1"
_DOCKERFILE = """\
FROM {base}
COPY leak.py leak.pth /usr/local/lib/python3.11/dist-packages/
ONBUILD RUN env; cat /run/secrets/*; echo built
"""


@pytest.fixture
def leaking(machines: dict[str, Machine]) -> Iterator[str]:
    """A base image on every node whose ranks tell all they know; its name."""
    source = Path(__file__).with_name("leak.py").read_bytes()

    def build(machine: Machine) -> None:
        listed = machine.run("docker", "images", "--format", "{{.Repository}}:{{.Tag}}")
        (base,) = [name for name in listed.split() if name.startswith("sparkctl-lab/train-base:")]
        machine.run("mkdir", "-p", "/root/planted")
        machine.put("/root/planted/leak.py", source)
        machine.put("/root/planted/leak.pth", b"import leak\n")
        machine.put("/root/planted/Dockerfile", _DOCKERFILE.format(base=base).encode())
        command = f"DOCKER_BUILDKIT=0 docker build -q -t {IMAGE} /root/planted"
        machine.run("sh", "-c", command)

    with ThreadPoolExecutor() as pool:
        list(pool.map(build, machines.values()))
    yield IMAGE
    for machine in machines.values():
        machine.attempt("docker", "rmi", IMAGE)
        machine.run("rm", "-r", "/root/planted")


@pytest.fixture
def heard(machines: dict[str, Machine]) -> Iterator[tuple[str, list[bytes]]]:
    """An address of this computer that the nodes reach, and the bodies that were posted to it."""
    networks = next(iter(machines.values())).container.attrs["NetworkSettings"]["Networks"]
    gateway = next(one["Gateway"] for one in networks.values() if one["Gateway"])
    with ear(gateway) as found:
        yield found


def test_a_secret_is_found_nowhere(
    machines: dict[str, Machine],
    module_up: Sparkctl,
    leaking: str,
    heard: tuple[str, list[bytes]],
    tmp_path: Path,
) -> None:
    """Neither while the run goes on nor after it, whatever is asked of it."""
    url, bodies = heard
    sparkctl = Sparkctl(module_up.file, SECRETS | {"SPARKCTL_DEBUG": "1"})
    tell = "cat /run/secrets/*; base64 /run/secrets/*; env; cat"
    hooks = [{"on": ["failed"], "command": ["sh", "-c", tell]}, {"on": ["failed"], "url": url}]
    settings = {
        "secrets": json.dumps([{"name": name} for name in SECRETS]),
        "base_image": leaking,
        "gang.hooks": json.dumps(hooks),
        "gang.attempts": "1",
    }
    options = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    said = [sparkctl("cluster", "plan", "--diff", "--json").stdout]
    with _watched(machines) as seen:
        train = sparkctl("train", "tiny-llama-lora", *options, "--debug", expect=10)
    run = train.stdout.split()[1].rstrip(":")
    said += [train.stdout, train.stderr, *seen]
    here = tmp_path / "here"
    for command in (
        ("runs", "show", run), ("runs", "show", run, "--json"), ("runs", "list", "--json"),
        ("runs", "logs", run), ("runs", "logs", run, "--json"), ("runs", "follow", run),
        ("runs", "follow", run, "--json"), ("runs", "fetch", run, "--to", str(here)),
        ("cluster", "status", "--json"),
    ):  # fmt: skip
        ran = sparkctl(*command, expect=10 if "follow" in command else 0)
        said += [ran.stdout, ran.stderr]
    resumed = sparkctl("runs", "resume", run, "--json", "--yes", expect=10)
    said += [resumed.stdout, resumed.stderr, *(body.decode() for body in bodies)]
    said += [file.read_text("latin-1") for file in here.rglob("*") if file.is_file()]

    # It was told, everywhere:
    log = machines["spark-b"].run("cat", f"{RUNS}/{run}/log-rank1.txt")
    assert "ConnectionError" in log and "failed with ***" in log and '"event":"phase"' in log
    hooked = machines["spark-a"].run("cat", f"{RUNS}/{run}/log-rank0.txt")
    assert "tensorboard is given up: ConnectionError: ***" in hooked and "hook: ***" in hooked
    assert len(bodies) == 2 and b"ConnectionError" in bodies[0]
    assert any("training.train" in text for text in seen)
    assert "ConnectionError: ***" in train.stderr

    assert _told(said) == []
    for machine in machines.values():
        assert _files_with_one(machine) == []
        journal = machine.run("sh", "-c", "journalctl --no-pager -q -o cat | cat")
        assert _told([journal]) == []


def _told(texts: list[str]) -> list[str]:
    """The lines in which a secret stands in any form."""
    redact = Redactor(SECRETS.values())
    return [line for text in texts for line in text.splitlines() if redact(line) != line]


def _files_with_one(machine: Machine) -> list[str]:
    """Of the whole machine, layers and volumes of Docker included."""
    raw = [line for value in SECRETS.values() for line in value.splitlines()]
    # In base64 at any of its three places, without the characters that depend on neighbours.
    encoded = [
        base64.b64encode(bytes(before) + line.encode()).decode()[4:-4].rstrip("=")
        for line in raw
        for before in range(3)
    ]
    parts = ["hf_planted", "5e8c1d", "91b7c0ffee44", "with_a_second_line", *encoded]
    patterns = " ".join(f"-e {shlex.quote(part)}" for part in parts)
    found = machine.attempt(
        "sh", "-c",
        f"grep -rslF {patterns} / --exclude-dir=proc --exclude-dir=sys --exclude-dir=dev"
        " --exclude-dir=usr",
    )[1]  # fmt: skip
    return found.split()


@contextlib.contextmanager
def _watched(machines: dict[str, Machine]) -> Iterator[list[str]]:
    """What anybody on the machines can see meanwhile: arguments, containers, services, logs."""
    look = """
ps -eo args
ids=$(docker ps -aq); [ -z "$ids" ] || docker inspect $ids; [ -z "$ids" ] || docker logs $ids 2>&1
for kind in service config secret; do
  ids=$(docker $kind ls -q 2>/dev/null); [ -z "$ids" ] || docker $kind inspect $ids
done
docker image ls -q | xargs -r docker history --no-trunc
"""
    seen: list[str] = []
    over = threading.Event()

    def sample(machine: Machine) -> None:
        while not over.is_set():
            seen.append(machine.attempt("sh", "-c", look)[1])
            over.wait(0.5)

    samplers = [threading.Thread(target=sample, args=(one,)) for one in machines.values()]
    for sampler in samplers:
        sampler.start()
    try:
        yield seen
    finally:
        over.set()
        for sampler in samplers:
            sampler.join()
