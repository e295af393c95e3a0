"""What the process group and the model look like from inside a rank, read through torch."""

import gc
import math
from typing import Any

import torch
import torch.distributed as dist
from torch.distributed import distributed_c10d as c10d


def world_size() -> int:
    """Ranks of the default group; 1 without one."""
    return dist.get_world_size() if _there() else 1


def backend() -> str | None:
    """Of the default group: gloo, nccl, …"""
    return str(dist.get_backend()) if _there() else None


def collectives() -> int | None:
    """How many this process has taken part in, over all its groups; None where that is unknown.

    Each group numbers its collectives, those of DistributedDataParallel and FSDP in C++ included.
    (Seen with gloo; unverified with NCCL.)
    """
    if not _there():
        return 0
    try:
        return sum(int(group._get_sequence_number_for_group()) for group in c10d._world.pg_map)
    except (AttributeError, RuntimeError):
        return None


def sum_over_ranks(number: int) -> int:
    """Of a number below 2^53, over the default group."""
    if world_size() == 1:
        return number
    on_host = any(name in str(backend()) for name in ("gloo", "mpi", "undefined"))
    total = torch.tensor([number], dtype=torch.int64, device="cpu" if on_host else "cuda")
    dist.all_reduce(total)
    return int(total.item())


def gradients(optimizer: torch.optim.Optimizer, wrappers: list[str]) -> list[float] | None:
    """[sum, sum of squares] of all gradients that are about to be used; None where each rank has
    its own part of them.

    After averaging they are the same on every rank.
    """
    found = [p.grad for p in _trained(optimizer) if p.grad is not None]
    if not found or set(wrappers) - {"DistributedDataParallel"}:
        return None
    with torch.no_grad():
        dense = [g.coalesce().values() if g.is_sparse else g for g in found]
        total = sum(g.sum(dtype=torch.float64).cpu() for g in dense)
        squares = sum(torch.linalg.vector_norm(g, dtype=torch.float64).cpu() ** 2 for g in dense)
    sums = [float(total), float(squares)]
    return sums if all(map(math.isfinite, sums)) else None


def of_model(optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """How what is trained is wrapped, and how many of the model's weights are on this rank."""
    trained = {id(p) for p in _trained(optimizer)}
    modules = [one for one in gc.get_objects() if issubclass(type(one), torch.nn.Module)]
    inner = {id(child) for module in modules for child in module.children()}
    roots = [(module, list(module.parameters())) for module in modules if id(module) not in inner]
    of_it = [root for root in roots if any(id(p) in trained for p in root[1])] or roots
    if not of_it:
        return {"wrappers": [], "parameters": 0, "local_parameters": 0}
    module, weights = max(of_it, key=lambda root: sum(map(_whole, root[1])))
    flat = [part._flat_param for part in module.modules() if _is_flat(part)]
    wrappers = {_wrapper(part) for part in module.modules()}
    wrappers |= {"DTensor" for weight in weights if type(weight).__name__ == "DTensor"}
    wrappers |= {_wrapper(one) for one in modules if type(one).__name__ == "DeepSpeedEngine"}
    return {
        "wrappers": sorted(wrappers - {None}),
        "parameters": sum(map(_whole, flat or weights)),
        "local_parameters": sum(map(_local, flat or weights)),
    }


_WRAPPERS = ("DistributedDataParallel", "FullyShardedDataParallel", "FSDPModule", "DeepSpeedEngine")


def _wrapper(module: torch.nn.Module) -> str | None:
    names = [kind.__name__ for kind in type(module).__mro__]
    return next((name for name in _WRAPPERS if name in names), None)


def _trained(optimizer: torch.optim.Optimizer) -> list[Any]:
    return [p for settings in optimizer.param_groups for p in settings["params"]]


def _is_flat(module: Any) -> bool:
    """Whether FSDP1 keeps its weights in a flat parameter: others may be views of its part."""
    return getattr(module, "_flat_param", None) is not None


def _local(weight: Any) -> int:
    if hasattr(weight, "to_local"):  # FSDP2, tensor parallel
        return int(weight.to_local().numel())
    if hasattr(weight, "ds_tensor"):  # ZeRO-3
        return int(weight.ds_tensor.numel())
    return int(weight.numel())


def _whole(weight: Any) -> int:
    if hasattr(weight, "_unpadded_unsharded_size"):  # FSDP1
        return math.prod(weight._unpadded_unsharded_size)
    return int(getattr(weight, "ds_numel", None) or weight.numel())


def _there() -> bool:
    return bool(dist.is_available() and dist.is_initialized())
