"""What needs more of a GPU than its rank may take ends clean; skipped, visibly, without a GPU."""

import pytest

from tests.support.ranks.nodes import Nodes
from training.contract.config import Parallel
from training.contract.environment import RunEnvironment
from training.contract.errors import ExitCode, explain
from training.contract.events import Error, Phase

pytest.importorskip("torch")

import torch

from training.ranks.group import Group

pytestmark = [
    pytest.mark.torch,
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU"),
]
MIB = 2**20


def test_beyond_its_share_a_process_fails_and_goes_on(alone: RunEnvironment) -> None:
    """The machine has far more than that: nothing but the cap refuses it."""
    total = torch.cuda.get_device_properties(0).total_memory
    group = Group.join(alone, Parallel(gpu_memory_share=0.1))
    try:
        with pytest.raises(torch.OutOfMemoryError) as caught:
            torch.empty(int(0.2 * total), dtype=torch.uint8, device=group.device)
        assert explain(caught.value).code == "out_of_memory"
        assert torch.ones(MIB, device=group.device).sum().item() == MIB
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, group.device)


def test_a_rank_beyond_its_share_ends_with_a_remedy(nodes: Nodes) -> None:
    """24 MiB hold the weights of the tiny model, and not what one pass through it takes."""
    total = torch.cuda.get_device_properties(0).total_memory
    changes = {"parallel": {"gpu_memory_share": 24 * MIB / total, "strategy": "auto"}}
    (rank,) = nodes.run(entry_point=True, world_size=1, config=changes)
    (error,) = rank.events(Error)
    assert (rank.status, error.code) == (ExitCode.CRASHED, "out_of_memory"), rank.stderr
    assert "gpu_memory_share" in error.help and "out of memory" in error.message
    assert "loading" in [phase.name for phase in rank.events(Phase)]
