"""A training loop of somebody's own. Ways to be no gang, and to be one, by its first argument."""

import os
import sys
import time
from contextlib import suppress
from pathlib import Path

import sparkctl_progress as progress
import torch
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FullyShardedDataParallel, fully_shard
from torch.distributed.optim import ZeroRedundancyOptimizer
from torch.nn.parallel import DistributedDataParallel

way, steps = sys.argv[1], int(sys.argv[2])
rank, world_size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
if way == "writes":
    import training  # a package of the script's own, which has the name of ours

    beside = Path("loop.py").exists()
    Path("written.txt").write_text(f"beside: {beside}; training: {training.WHOSE}")
    sys.exit()
if way == "odd":
    import sparkctl_group

    sparkctl_group.of_model = None
    print("a line without its end", end="")
if way == "waits":
    time.sleep(600)
if way not in ("alone", "no-step"):
    # Without a backend: what accelerate's launchers come to on CPUs.
    dist.init_process_group(None if way.startswith("solo") else "gloo")
for thread in Path("/proc/self/task").iterdir():  # as on a loaded machine: they run last of all
    with suppress(OSError):  # one that has just ended
        if (thread / "comm").read_text().strip() == "pt_gloo_runloop":
            os.sched_setscheduler(int(thread.name), os.SCHED_IDLE, os.sched_param(0))
torch.manual_seed(7)
model = torch.nn.Sequential(torch.nn.Linear(16, 32), torch.nn.Linear(32, 16))
if way in ("ddp", "zero", "hangs"):
    model = DistributedDataParallel(model)
if way == "fsdp1":  # as NVIDIA's config_fsdp_lora.yaml has it
    model = FullyShardedDataParallel(model, use_orig_params=True, device_id=torch.device("cpu"))
if way == "fsdp":
    fully_shard(model, mesh=init_device_mesh("cpu", (world_size,)))
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
if way == "zero":  # each rank makes the step of its part of the weights
    optimizer = ZeroRedundancyOptimizer(model.parameters(), torch.optim.SGD, lr=0.01)
own = rank if way in ("ddp", "fsdp", "fsdp1", "zero", "by-hand", "hangs", "solo-other-rows") else 0
rows = torch.randn(8, 16, generator=torch.Generator().manual_seed(own))

saves = Path(os.environ["SPARKCTL_RUN_DIR"], "checkpoints")
begin = 0
if folder := progress.resume_from():
    begin = int((Path(folder) / "trainer_state.json").read_text())
    print(f"goes on after {begin}")
for step in range(begin + 1, steps + 1):
    if way == "no-step":
        continue
    if way == "odd" and step == 3:
        os.close(1)
    loss = model(rows).square().mean()
    loss.backward()
    if way == "by-hand":
        for weight in model.parameters():
            dist.all_reduce(weight.grad)
            weight.grad /= world_size
    if way == "barrier":
        dist.barrier()
    if step == 5 and way == "hangs" and rank == 1:  # all wait for it
        time.sleep(600)
    optimizer.step()
    optimizer.zero_grad()
    progress.step(step, total=steps, loss=loss.item())
    if step % 4 == 0:
        save = saves / f"save-{step}"
        save.mkdir(parents=True, exist_ok=True)
        (save / f"rank{rank}.txt").write_text("its own part")
        if rank == 0:
            (save / "trainer_state.json").write_text(str(step))
        progress.saved(step)
    if "DIES" in os.environ and step == 10 and begin == 0 and rank == 1:
        time.sleep(3)  # until what was saved is shared
        os._exit(9)
    if "DIES" in os.environ and step >= 6:
        time.sleep(0.4)
