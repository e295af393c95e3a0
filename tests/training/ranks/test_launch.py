"""A rank is started with accelerate's configuration and torchrun's variables, in one process."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.clusters import ROOT
from tests.support.ranks.run import ACCELERATE, DEADLINE, free_port
from training.contract.events import Error, parse

pytestmark = pytest.mark.torch

TELL = """\
import json, os, sys, torch
told = {"pid": os.getpid(), "argv": sys.argv[1:], "environ": dict(os.environ)}
print(json.dumps(told | {"threads": torch.get_num_threads()}))
sys.exit(42)
"""
MEET = """\
import os, signal, torch, torch.distributed as dist
dist.init_process_group("gloo")
total = torch.tensor([float(dist.get_rank() + 1)])
dist.all_reduce(total)
print(total.item(), flush=True)
dist.destroy_process_group()
signal.signal(signal.SIGTERM, lambda *_: os._exit(42))
print("ready", flush=True)
while True:
    signal.pause()
"""


def test_the_rank_is_this_process_with_the_variables_of_torchrun(tmp_path: Path) -> None:
    threads = "--num_cpu_threads_per_process=7"  # which no default is
    rank = _launch(tmp_path, TELL, "--colour", "red", rank=1, size=2, port=4321, more=(threads,))
    said, _ = rank.communicate(timeout=DEADLINE)
    told = json.loads(said)
    assert rank.returncode == 42
    assert (told["pid"], told["argv"]) == (rank.pid, ["--colour", "red"])
    assert told["threads"] == 7
    expected = {
        "MASTER_ADDR": "127.0.0.2",
        "MASTER_PORT": "4321",
        "RANK": "1",
        "WORLD_SIZE": "2",
        "LOCAL_RANK": "0",
        "LOCAL_WORLD_SIZE": "1",
        "ACCELERATE_MIXED_PRECISION": "no",
        "TORCH_NCCL_ASYNC_ERROR_HANDLING": "1",
    }
    assert {name: told["environ"].get(name) for name in expected} == expected


def test_the_ranks_meet_and_a_signal_is_theirs(tmp_path: Path) -> None:
    pair, own = free_port(), free_port()
    sizes = ((0, 2, pair), (1, 2, pair), (0, 1, own))
    ranks = [_launch(tmp_path, MEET, rank=r, size=size, port=port) for r, size, port in sizes]
    try:
        for rank, total in zip(ranks, ("3.0", "3.0", "1.0"), strict=True):
            assert rank.stdout is not None
            assert [rank.stdout.readline().strip() for _ in range(2)] == [total, "ready"]
            rank.terminate()
        assert [rank.wait(timeout=DEADLINE) for rank in ranks] == [42, 42, 42]
    finally:
        _end(ranks)


@pytest.mark.parametrize("size", [1, 2])
def test_a_taken_port_is_told_by_name(tmp_path: Path, size: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        rank = _launch(tmp_path, TELL, rank=0, size=size, port=port)
        said, _ = rank.communicate(timeout=DEADLINE)
    error = parse(said.strip())
    assert isinstance(error, Error)
    assert (rank.returncode, error.exit_code, error.code) == (78, 78, "port_taken")
    assert str(port) in error.message


def test_several_processes_on_a_node_are_refused(tmp_path: Path) -> None:
    rank = _launch(tmp_path, TELL, rank=0, size=2, port=free_port(), processes=4)
    said, _ = rank.communicate(timeout=DEADLINE)
    error = parse(said.strip())
    assert isinstance(error, Error)
    assert (rank.returncode, error.code) == (78, "launch_unfit")
    assert "4 processes on 2 nodes" in error.message


def test_what_accelerate_refuses_is_told(tmp_path: Path) -> None:
    odd = tmp_path / "odd.yaml"
    text = ACCELERATE.format(world_size=1, rank=0, port=free_port())
    odd.write_text(f"{text}mixed_precision: odd\n")
    more = ("--config_file", str(odd))  # the last one counts
    rank = _launch(tmp_path, TELL, rank=0, size=1, port=free_port(), more=more)
    said, _ = rank.communicate(timeout=DEADLINE)
    error = parse(said.strip())
    assert isinstance(error, Error)
    assert (rank.returncode, error.code) == (78, "launch_unfit")
    assert "mixed_precision" in error.message


def _launch(
    folder: Path,
    code: str,
    *words: str,
    rank: int,
    size: int,
    port: int,
    processes: int = 0,
    more: tuple[str, ...] = (),
) -> "subprocess.Popen[str]":
    (folder / "rank.py").write_text(code)
    text = ACCELERATE.format(world_size=size, rank=rank, port=port)
    if processes:
        text = text.replace(f"num_processes: {size}", f"num_processes: {processes}")
    config = folder / f"{rank}-of-{size}.yaml"
    config.write_text(text)
    return subprocess.Popen(
        [sys.executable, "-m", "training.ranks.launch", "--config_file", str(config),
         *more, "-m", "rank", *words],
        env=os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{folder}"},
        cwd=folder,
        stdout=subprocess.PIPE,
        text=True,
    )  # fmt: skip


def _end(ranks: "list[subprocess.Popen[str]]") -> None:
    for rank in ranks:
        rank.kill()
        rank.wait()
        if rank.stdout is not None:
            rank.stdout.close()
