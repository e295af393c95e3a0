"""Check that the ranks belong together: every rank compares what all ranks report of themselves."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from training.contract.config import TrainingConfig
from training.contract.environment import RunEnvironment
from training.contract.errors import ConfigurationError
from training.contract.memory import memory_available, memory_total
from training.ranks.fingerprint import document_sha256


@dataclass(frozen=True)
class RankInfo:
    """What a rank reports about itself before anything is loaded.

    `memory`: bytes that there are for a training, the smaller of what the host and its GPU have.
    `free`: bytes that are available to it now, without those that its supervisor keeps free.
    `software`: versions by name; `machine`: its GPU and driver, in words.
    """

    rank: int
    node: str
    run_id: str
    nonce: str
    world_size: int
    config: str
    software: Mapping[str, str]
    memory: int
    free: int
    machine: str = ""

    @classmethod
    def of(
        cls,
        config: TrainingConfig,
        env: RunEnvironment,
        software: Mapping[str, str],
        machine: str = "",
        gpu_memory: int | None = None,
    ) -> "RankInfo":
        """The info of this process. `gpu_memory`: bytes that its GPU has; None without one."""
        return cls(
            rank=env.rank,
            node=env.node,
            run_id=env.run_id,
            nonce=document_sha256({"nonce": env.nonce}),  # shown when it differs
            world_size=env.world_size,
            config=document_sha256(config.model_dump(mode="json")),
            software=software,
            memory=min(memory_total(), gpu_memory or memory_total()),
            free=memory_available() - int(env.memory_floor * memory_total()),
            machine=machine,
        )

    @property
    def versions(self) -> str:
        """The software in one line."""
        return " ".join(f"{name}={one}" for name, one in self.software.items())


_MUST_AGREE = {
    "world_size": "Every rank must get the same SPARKCTL_WORLD_SIZE.",
    "run_id": "A rank of another run joined: is its container still there? Stop it.",
    "nonce": "A rank of an older attempt joined: is its container still there? Stop it.",
    "config": "Every rank must read the same training configuration.",
}
_SAME_IMAGE = "Every node must run the same image."


def check_group(rank_infos: list[RankInfo]) -> None:
    """Raise `ConfigurationError` unless the ranks, in the launcher's order, are one complete group.

    Complete: as many as the run has ranks, each in its place, equal in everything that must be.
    """
    for name, remedy in _MUST_AGREE.items():
        require_equal(name, [(info.node, str(getattr(info, name))) for info in rank_infos], remedy)
    for name in dict.fromkeys(name for info in rank_infos for name in info.software):
        of_each = [(info.node, info.software.get(name, "none")) for info in rank_infos]
        require_equal(name, of_each, _SAME_IMAGE)
    expected = rank_infos[0].world_size
    if [info.rank for info in rank_infos] != list(range(expected)):
        ranks = ", ".join(f"{info.node} for rank {info.rank}" for info in rank_infos)
        raise ConfigurationError(
            "group_mismatch",
            f"the run has ranks 0 to {expected - 1}, but the launchers brought together: {ranks}",
            "machine_rank, num_machines and num_processes of each accelerate config must equal "
            "SPARKCTL_RANK and SPARKCTL_WORLD_SIZE of its node.",
        )


def odd_machines(rank_infos: list[RankInfo]) -> str | None:
    """In a sentence, where GPUs or drivers are not the same: it works, but the ranks' numbers may
    differ in their last digits, and the slower one sets the pace."""
    if len({info.machine for info in rank_infos}) == 1:
        return None
    each = "; ".join(f"{info.node}: {info.machine or 'no GPU'}" for info in rank_infos)
    return f"the ranks' machines are not alike ({each})"


def require_equal(
    what: str, values: list[tuple[str, str]], remedy: str, code: str = "group_mismatch"
) -> str:
    """Return the one value of `what` that all (node, value) pairs hold, or raise."""
    counts = Counter(value for _, value in values)
    if len(counts) == 1:
        return values[0][1]
    each = ", ".join(f"{node}: {value[:40]}" for node, value in values)
    raise ConfigurationError(code, f"the ranks do not agree on {what} ({each})", remedy)
