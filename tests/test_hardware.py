"""What only real DGX Sparks can show (docs/unverified.md).

    SPARKCTL_HARDWARE=cluster.yaml pytest -m hardware

changes and gives back the machines of that file. Without it all of this is skipped, visibly.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.node.connect import connect_all
from orchestrator.spec.load import load_cluster

FILE = os.environ.get("SPARKCTL_HARDWARE")

pytestmark = [
    pytest.mark.hardware,
    pytest.mark.skipif(FILE is None, reason="needs real Sparks: SPARKCTL_HARDWARE=cluster.yaml"),
]


def sparkctl(*args: str) -> str:
    """Run it on the real cluster; its standard output."""
    command = [sys.executable, "-m", "orchestrator", "-f", str(FILE), *args]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def up() -> Iterator[None]:
    """The machines as one swarm, and back."""
    sparkctl("cluster", "up", "--yes")
    yield
    sparkctl("cluster", "down", "--yes")


def test_the_fabric_is_detected_without_being_named() -> None:
    spec = load_cluster(Path(str(FILE)))
    assert spec.fabric.interface is None and spec.fabric.subnet is None, "leave fabric out"
    assert json.loads(sparkctl("cluster", "plan", "--json"))["ok"]


def test_a_container_sees_the_rdma_devices(up: None) -> None:
    spec = load_cluster(Path(str(FILE)))
    with connect_all(spec) as nodes:
        for node in nodes.values():
            seen = node.docker_cli(
                "run", "--rm", "-e", "NVIDIA_MOFED=enabled", "-e", "NVIDIA_VISIBLE_DEVICES=all",
                spec.container.base_image, "ls", "/dev/infiniband",
            )  # fmt: skip
            assert "uverbs" in seen


def test_the_training_image_builds_and_a_tiny_run_succeeds_over_nccl(up: None) -> None:
    assert "succeeded" in sparkctl("train", "tiny-llama-lora")


def test_70b_trains_within_the_memory_of_two_machines(up: None) -> None:
    said = sparkctl("train", "llama3-70b-lora", "--set", "training.loop.max_steps=10")
    assert "succeeded" in said


def test_the_next_layers_come_while_one_computes(up: None) -> None:
    """Sharded, every layer's weights cross the cable twice a step; FSDP2 fetches the next one while
    a layer computes. With rows this long the cable is the faster part, so a sharded run must keep
    nearly the pace of one in which no weights travel."""
    pace = {}
    for strategy in ("ddp", "sharded"):
        said = sparkctl(
            "train", "llama3-8b-lora",
            "--set", f"training.parallel.strategy={strategy}",
            "--set", "training.loop.batching=packed",
            "--set", "training.loop.max_steps=10",
        )  # fmt: skip
        found = re.findall(r"step 10/10 .*?([\d,]+) tok/s", said)
        pace[strategy] = int(found[0].replace(",", ""))
    assert pace["sharded"] >= 0.8 * pace["ddp"]
