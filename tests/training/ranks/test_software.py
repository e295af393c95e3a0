"""What a rank says of the software and the GPU that it runs on."""

import re
from importlib.metadata import version
from pathlib import Path

import pytest

from training.contract.errors import ConfigurationError, ExitCode

pytest.importorskip("torch")

import torch

from training.ranks.software import BASE, machine, require_whole_groups, software

pytestmark = pytest.mark.torch

CPU, GPU = torch.device("cpu"), torch.device("cuda", 0)


def test_each_library_has_a_row_and_the_base_where_the_image_says_it() -> None:
    said = software(CPU, {})
    assert said["torch"] == version("torch") and said["peft"] == version("peft")
    assert not {"NCCL", "CUDA", "base image"} & set(said)
    assert software(CPU, {BASE: "sha256:ab"})["base image"] == "sha256:ab"
    assert machine(CPU) == {}


@pytest.fixture
def gb10(monkeypatch: pytest.MonkeyPatch) -> None:
    """As torch answers on one."""
    monkeypatch.setattr(torch.cuda.nccl, "version", lambda: (2, 31, 2))
    monkeypatch.setattr(torch.version, "cuda", "13.3")
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "NVIDIA GB10")


@pytest.mark.usefixtures("gb10")
def test_on_a_gpu_it_says_what_ranks_talk_with() -> None:
    said = software(GPU, {})
    assert (said["NCCL"], said["CUDA"]) == ("2.31.2", "13.3")


@pytest.mark.usefixtures("gb10")
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "NVRM version: NVIDIA UNIX Open Kernel Module for aarch64  580.95.05  Release Build\n",
            "580.95.05",
        ),
        ("NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.129  Thu Oct 19", "535.129"),
        ("", None),
        (None, None),
    ],
)
def test_the_driver_as_the_kernel_names_it(
    tmp_path: Path, line: str | None, expected: str | None
) -> None:
    if line is not None:
        (tmp_path / "version").write_text(line)
    said = machine(GPU, tmp_path / "version")
    assert (said["GPU"], said.get("driver")) == ("NVIDIA GB10", expected)


@pytest.mark.parametrize("good", ["2.13.0", "2.13.0a0+9186a08b2c.nv26.07", "2.14.1+cu130", "3.0.0"])
def test_a_torch_that_may_shard(good: str) -> None:
    require_whole_groups(good)


@pytest.mark.parametrize("old", ["2.10.0a0+b558c986e8.nv25.11", "2.12.1", "2.9.0", "1.13.1"])
def test_an_older_torch_does_not_shard(old: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(f"torch {old}")) as caught:
        require_whole_groups(old)
    assert (caught.value.code, caught.value.exit_code) == ("torch_too_old", ExitCode.CONFIGURATION)
    assert "container.base_image" in caught.value.remedy
