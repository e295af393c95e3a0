"""One of two ranks: what a step of a sharded LoRA asks of torch, in order.

    python counting_rank.py RANK PORT FOLDER

Prints two JSON lists: of a step that nobody reads, and of the reading after it. In the first
`G<numel>` is a gather, `R<numel>` an all-reduce, `A` attention forwards, `B` backwards, `host` a
wait for a number; of the rest only the names are kept.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

LAYERS, HIDDEN, VOCABULARY = 4, 32, 96
WAITS = ("aten::_local_scalar_dense", "aten::is_nonzero", "aten::nonzero", "aten::masked_select")
"""What a host gets to know of a GPU's tensors, or their shape, when the GPU has come so far."""


def main(rank: int, port: int, folder: Path) -> None:
    import torch
    import torch.distributed as dist
    from torch.utils._python_dispatch import TorchDispatchMode

    from training.contract.config import TrainingConfig
    from training.loop.feeding import Work, scored
    from training.loop.learner import Learner
    from training.loop.step_timer import StepTimer
    from training.model import adapter, attention, load
    from training.model.checkpointing import recompute
    from training.tokens.tokens import Tokens

    class Recorded(TorchDispatchMode):
        def __init__(self) -> None:
            super().__init__()
            self.seen: list[str] = []

        def __torch_dispatch__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            self.seen.append(_name(func.name(), args))
            return func(*args, **(kwargs or {}))

    torch.set_num_threads(1)
    where = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    os.environ.update(where | {"RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_RANK": "0"})
    dist.init_process_group("gloo", rank=rank, world_size=2)
    config = TrainingConfig.model_validate(
        {"model": {"name": "builtin:tiny-llama"}, "data": {"name": "builtin:instructions"}}
    )
    base = load.load_sharded(folder, 2, torch.bfloat16).model
    model = adapter.attach(base, config.method, 0).model  # type: ignore[arg-type]
    attention.choose_batching("padding-free", model)
    recompute(model, True)
    learner = Learner(model, config, 9, 2, torch.device("cpu"), StepTimer())
    rows = [Tokens(list(range(3, 3 + n)), list(range(3, 3 + n))) for n in (5, 9, 20)]
    collate = attention.collate(model)

    def work(step: int) -> Work:
        return Work(step, [scored(collate(rows)) for _ in range(2)], 68, 136, 124)

    learner.learn(work(1), lambda: None)
    with Recorded() as step:
        learner.learn(work(2), lambda: None)
    with Recorded() as reading:
        learner.read()
    if rank == 0:
        print(json.dumps(step.seen))
        print(json.dumps(reading.seen))


def _name(name: str, args: Any) -> str:
    if name == "c10d::_allgather_base_":
        return f"G{args[0].numel()}"
    if name == "c10d::allreduce_":
        return f"R{args[0][0].numel()}"
    if "flash_attention_for_cpu" in name:
        return "B" if "backward" in name else "A"
    if name in WAITS:
        return "host"
    return name


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
    sys.stdout.flush()
    os._exit(0)  # as a rank does: threads of the group may abort a Python that ends
