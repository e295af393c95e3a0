"""A rank that has joined its group and checked it: what every step needs."""

import sys
from dataclasses import dataclass

import torch

from training.contract.config import TrainingConfig
from training.contract.environment import RunEnvironment
from training.ranks.events import EventLog
from training.ranks.group import Group
from training.ranks.group_check import RankInfo, check_group, odd_machines
from training.ranks.software import machine, software


@dataclass(frozen=True)
class Joined:
    """The configuration, this rank, its event log, and its group."""

    config: TrainingConfig
    env: RunEnvironment
    log: EventLog
    group: Group
    rank_infos: list[RankInfo]
    """What every rank reports about itself, by rank."""


def _gpu_memory(device: torch.device) -> int | None:
    """Bytes of the GPU; a GB10 answers what the host has, for they are one. None without a GPU."""
    if device.type != "cuda":
        return None
    return int(torch.cuda.get_device_properties(device).total_memory)


def join(config: TrainingConfig, env: RunEnvironment, log: EventLog) -> Joined:
    """Join the other ranks. Raises ConfigurationError unless they are one complete group."""
    log.phase("joining")
    group = Group.join(env, config.parallel)
    device = group.device
    own = RankInfo.of(config, env, software(device), machine(device), _gpu_memory(device))
    rank_infos = group.gather(own)
    check_group(rank_infos)
    if (odd := odd_machines(rank_infos)) is not None:
        print(odd, file=sys.stderr)
    return Joined(config, env, log, group, rank_infos)
