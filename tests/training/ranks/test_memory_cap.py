"""The share of the GPU that a rank may take, on a computer without one."""

from typing import Any

import pytest

from tests.support.ranks.recipe import recipe
from training.contract.config import Parallel, TrainingConfig
from training.contract.environment import RunEnvironment
from training.plan.strategy import SPARE
from training.ranks.events import EventLog

pytest.importorskip("torch")

import torch

from training.ranks.joined import join

pytestmark = pytest.mark.torch


def test_it_is_set_before_anything_is_loaded(
    monkeypatch: pytest.MonkeyPatch, alone: RunEnvironment
) -> None:
    calls: list[tuple[str, Any, torch.device]] = []
    total = type("Properties", (), {"total_memory": 2**40})()
    answers: dict[str, Any] = {
        "is_available": lambda: True,
        "set_device": lambda device: calls.append(("device", None, device)),
        "set_per_process_memory_fraction": lambda share, device: calls.append(
            ("share", share, device)
        ),
        "get_device_properties": lambda device: total,
        "get_device_name": lambda device: "NVIDIA GB10",
    }
    for name, answer in answers.items():
        monkeypatch.setattr(torch.cuda, name, answer)
    monkeypatch.setattr(torch.cuda.nccl, "version", lambda: (2, 31, 2))
    config = TrainingConfig.model_validate(recipe({"parallel": {"gpu_memory_share": 0.5}}))
    rank = join(config, alone, EventLog(2, 0))  # before the base and the data: train.py
    gpu = torch.device("cuda", 0)
    assert rank.group.device == gpu
    assert calls == [("device", None, gpu), ("share", 0.5, gpu)]


def test_by_default_it_is_what_the_estimate_counts_on() -> None:
    """A run that is said to fit must not meet the cap."""
    assert Parallel().gpu_memory_share == pytest.approx(1 - SPARE)
