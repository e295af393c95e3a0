"""The main job: `sparkctl train` on two real machines, watched as it runs, proved at its end."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from orchestrator.lab.wait import until
from tests.lab.machine import Machine
from tests.lab.sparkctl import Ran, Sparkctl

GPU = "DOCKER_RESOURCE_NVIDIA_GPU"


@dataclass(frozen=True)
class Seen:
    """What one training run looked like from outside."""

    run: str
    ran: Ran
    environments: dict[str, dict[str, str]]
    accelerate: dict[str, dict[str, object]]
    mounts: dict[str, list[str]]
    training: dict[str, object]


@pytest.fixture(scope="module")
def seen(machines: dict[str, Machine], module_up: Sparkctl) -> Iterator[Seen]:
    """One run of tiny-llama-lora, with the containers looked into while it goes on."""
    sparkctl = module_up
    process = subprocess.Popen(
        [sys.executable, "-m", "orchestrator", "-f", str(sparkctl.file), "train",
         "tiny-llama-lora"],
        cwd=sparkctl.file.parent, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        containers = {
            name: until(lambda m=machine: _run_container(m), what="a rank", deadline_seconds=180)
            for name, machine in machines.items()
        }
        inspected = {
            name: json.loads(machines[name].run("docker", "inspect", container))[0]
            for name, container in containers.items()
        }
        files = {
            name: machines[name].run("docker", "exec", container, "cat", "/sparkctl/accelerate.yml")
            for name, container in containers.items()
        }
        training = machines["spark-a"].run(
            "docker", "exec", containers["spark-a"], "cat", "/sparkctl/training.json"
        )
        stdout, stderr = process.communicate(timeout=600)
    finally:
        process.kill()
    first = next(iter(inspected.values()))
    yield Seen(
        run=first["Config"]["Labels"]["sparkctl.run"],
        ran=Ran(process.returncode, stdout, stderr),
        environments={name: _environment(i) for name, i in inspected.items()},
        accelerate={name: yaml.safe_load(text) for name, text in files.items()},
        mounts={name: [m["Destination"] for m in i["Mounts"]] for name, i in inspected.items()},
        training=json.loads(training),
    )


def _run_container(machine: Machine) -> str | None:
    names = machine.run(
        "docker", "ps", "--filter", "label=sparkctl.run", "--format", "{{.Names}}"
    ).split()
    return names[0] if names else None


def _environment(inspected: dict[str, dict[str, list[str]]]) -> dict[str, str]:
    return dict(line.split("=", 1) for line in inspected["Config"]["Env"])


def test_the_run_succeeds_and_says_what_came_of_it(seen: Seen) -> None:
    assert seen.ran.code == 0, seen.ran.stdout + seen.ran.stderr
    for words in ("succeeded", "world size 2, sharded", "the same on all 2 ranks", "tok/s"):
        assert words in seen.ran.stdout
    assert "Exception" not in seen.ran.stderr


def test_each_task_has_its_own_machines_gpu(seen: Seen, machines: dict[str, Machine]) -> None:
    for name, machine in machines.items():
        uuid = machine.run("nvidia-smi", "--query-gpu=uuid", "--format=csv,noheader").strip()
        assert seen.environments[name][GPU] == uuid
    assert len({env[GPU] for env in seen.environments.values()}) == len(machines)


def test_the_accelerate_configs_differ_only_in_the_rank(
    seen: Seen, machines: dict[str, Machine]
) -> None:
    a, b = seen.accelerate["spark-a"], seen.accelerate["spark-b"]
    assert (a.pop("machine_rank"), b.pop("machine_rank")) == (0, 1)
    assert a == b
    fabric = machines["spark-a"].run("docker", "info", "--format", "{{.Swarm.NodeAddr}}").strip()
    assert a["main_process_ip"] == fabric
    assert a["num_machines"] == 2


def test_no_rank_speaks_over_another_network_than_the_fabric(seen: Seen) -> None:
    for environment in seen.environments.values():
        assert environment["GLOO_SOCKET_IFNAME"] == "enp1s0f1np1"
        assert environment["NCCL_SOCKET_IFNAME"] == "enp1s0f1np1"


def test_held_out_loss_falls_and_both_ranks_end_with_the_same_adapter(
    seen: Seen, machines: dict[str, Machine]
) -> None:
    results = [
        json.loads(machine.read(f"/home/nvidia/sparkctl/runs/{seen.run}/result-rank{rank}.json"))
        for rank, machine in enumerate(machines.values())
    ]
    assert [r["state"] for r in results] == ["succeeded", "succeeded"]
    assert results[0]["weights_sha256"] == results[1]["weights_sha256"]
    for result in results:
        assert result["eval_loss_last"] <= 0.7 * result["eval_loss_first"]


def test_nothing_on_the_nodes_belongs_to_root(seen: Seen, machines: dict[str, Machine]) -> None:
    for machine in machines.values():
        foreign = machine.run("find", "/home/nvidia", "!", "-user", "nvidia")
        assert foreign.strip() == ""


def test_the_stack_is_gone_and_the_gpu_is_free(seen: Seen, machines: dict[str, Machine]) -> None:
    manager = machines["spark-a"]
    for command in (("service", "ls", "-q"), ("config", "ls", "-q"), ("secret", "ls", "-q")):
        assert manager.run("docker", *command).strip() == ""


@pytest.mark.torch
@pytest.mark.filterwarnings("ignore::FutureWarning")  # of the libraries among themselves
def test_the_adapter_loads_in_plain_peft(
    seen: Seen, machines: dict[str, Machine], tmp_path: Path
) -> None:
    """On rank 0's node there is what PEFT expects, and it changes what the base says."""
    import peft  # seconds of imports, for this test alone
    import torch
    import transformers

    machine = machines["spark-a"]
    adapter = machine.fetch(f"/home/nvidia/sparkctl/runs/{seen.run}/adapter", tmp_path)
    cache = "/home/nvidia/sparkctl/cache/sparkctl"
    (base_name,) = machine.run("sh", "-c", f"ls -d {cache}/tiny-llama-*").split()
    base = machine.fetch(base_name, tmp_path)

    plain = transformers.AutoModelForCausalLM.from_pretrained(base)
    tokens = torch.tensor([[1, 2, 3, 4]])
    with torch.no_grad():
        before = plain(tokens).logits
        tuned = peft.PeftModel.from_pretrained(plain, adapter)
        after = tuned(tokens).logits
    assert not torch.allclose(before, after)


def test_a_run_that_cannot_work_ends_with_the_rank_that_failed(
    machines: dict[str, Machine], module_up: Sparkctl
) -> None:
    failed = module_up(
        "train", "tiny-llama-lora", "--set", "training.data.name=/no/such/file.jsonl", expect=10
    )
    assert "E800" in failed.stderr
    assert "/no/such/file.jsonl" in failed.stderr
    assert "on spark-" in failed.stderr
    assert machines["spark-a"].run("docker", "service", "ls", "-q").strip() == ""


def test_a_detached_run_holds_the_gpu_and_status_shows_it(
    machines: dict[str, Machine], module_up: Sparkctl
) -> None:
    module_up("train", "tiny-llama-lora", "--detach", "--set", "training.loop.max_steps=200")
    try:
        refused = module_up("train", "tiny-llama-lora", expect=10)
        assert "in use by the run tiny-llama-lora-" in refused.stderr
        until(
            lambda: "tiny-llama-lora-" in module_up("cluster", "status").stdout,
            what="the run in the status",
            deadline_seconds=60,
        )
    finally:
        services = machines["spark-a"].run("docker", "service", "ls", "-q").split()
        machines["spark-a"].run("docker", "service", "rm", *services)


def test_down_keeps_what_runs_have_written_unless_told_otherwise(
    seen: Seen, machines: dict[str, Machine], module_up: Sparkctl
) -> None:
    """Last in this file: it ends the cluster."""
    kept = module_up("cluster", "down", "--yes", "--json").json()["kept"]
    assert any("sparkctl/runs is not empty and stays" in line for line in kept)
    result = f"/home/nvidia/sparkctl/runs/{seen.run}/result-rank0.json"
    assert machines["spark-a"].read(result)
    for machine in machines.values():
        assert machine.attempt("test", "-e", "/home/nvidia/sparkctl/cache")[0] == 1

    module_up("cluster", "down", "--yes", "--delete-runs")
    for machine in machines.values():
        assert machine.attempt("test", "-e", "/home/nvidia/sparkctl")[0] == 1
        assert machine.attempt("test", "-e", "/var/lib/sparkctl")[0] == 1
        images = machine.run("docker", "images", "--filter", "label=sparkctl.image", "-q")
        assert images.strip() == ""
