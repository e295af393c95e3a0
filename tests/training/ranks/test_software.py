"""What a rank says of its software and its machine."""

from pathlib import Path

import pytest

from training.contract.config import Parallel
from training.contract.environment import RunEnvironment
from training.contract.errors import ConfigurationError

torch = pytest.importorskip("torch")

from tests.training.loop.test_checkpoint import ENVIRON  # noqa: E402
from training.ranks import software  # noqa: E402
from training.ranks.group import Group  # noqa: E402

pytestmark = pytest.mark.torch
CPU, CUDA = torch.device("cpu"), torch.device("cuda", 0)


def test_libraries_and_what_the_base_brought(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert {"torch", "transformers", "peft"} <= software.software(CPU).keys()
    assert "base image" not in software.software(CPU)
    (tmp_path / "base").write_text("0123456789abcdef0123\n")
    monkeypatch.setattr(software, "BASE", tmp_path / "base")
    assert software.software(CPU)["base image"] == "0123456789ab"


def test_on_a_gpu_also_what_talks_and_what_drives_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The GPU's answers are a stand-in's."""
    monkeypatch.setattr(torch.cuda.nccl, "version", lambda: (2, 28, 9))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "NVIDIA GB10")
    module = "NVRM version: NVIDIA UNIX Open Kernel Module for aarch64  580.95.05  Release Build\n"
    (tmp_path / "driver").write_text(module)
    monkeypatch.setattr(software, "_DRIVER", tmp_path / "driver")
    assert software.software(CUDA)["NCCL"] == "2.28.9"
    assert software.machine(CUDA) == "NVIDIA GB10, driver 580.95.05"
    (tmp_path / "driver").write_text("something else\n")
    assert software.machine(CUDA) == "NVIDIA GB10, driver unknown"
    assert software.machine(CPU) == ""


@pytest.mark.parametrize("old", ["2.10.0a0+b558c986e8.nv25.11", "2.12.1", "1.13.0"])
def test_an_old_torch_does_not_shard(old: str) -> None:
    with pytest.raises(ConfigurationError, match=r"has torch .*2\.13 or newer"):
        software.require_torch_to_shard(old)


@pytest.mark.parametrize("new", ["2.13.0+cpu", "2.14.0a0+abc.nv26.10", "3.0.0"])
def test_a_new_one_does(new: str) -> None:
    software.require_torch_to_shard(new)


def test_a_gpu_s_memory_is_limited_before_anything_is_loaded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Calls of a stand-in, in their order."""
    calls: list[object] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "set_device", calls.append)
    monkeypatch.setattr(
        torch.cuda, "set_per_process_memory_fraction", lambda share, device: calls.append(share)
    )
    env: RunEnvironment = ENVIRON
    Group.join(env, Parallel(gpu_memory_share=0.75))
    assert calls == [CUDA, 0.75]
