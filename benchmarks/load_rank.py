"""One rank that loads a base in one way and says what it took: `python -m benchmarks.load_rank`.

    python -m benchmarks.load_rank WAY FOLDER

RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT say which rank; LOCAL_RANK is 0, as on a node with one
GPU. Prints one line of JSON, a `Taken`.
"""

import ctypes
import gc
import json
import math
import mmap
import os
import sys
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from accelerate import Accelerator, state
from torch.distributed.tensor import DTensor
from transformers import AutoModelForCausalLM

from training.contract.config import Lora
from training.model import adapter, load
from training.model.architecture import architecture_of
from training.ranks import log_levels

OURS, OURS_LORA, ACCELERATE = "sparkctl", "sparkctl + LoRA", "accelerate FSDP2 + LoRA"


@dataclass(frozen=True)
class Taken:
    """What one rank took. Bytes and seconds."""

    way: str
    rank: int
    seconds: float
    anonymous: int
    """Peak of its own memory (RssAnon), over what it had before."""
    mapped: int
    """Peak of files in its address space (RssFile), over what it had before."""
    cached: int
    """Peak of what the system's page cache held of the files in FOLDER."""
    read: int | None
    """Bytes of weights asked for; only our loader counts them."""
    base: int
    """Weights of the base."""
    held: int
    """Weights of the base that this rank holds."""
    shared: bool
    """Every weight of the base is a DTensor of which this rank holds its share or less."""


class Watch(AbstractContextManager["Watch"]):
    """Samples memory and page cache from a thread, every five milliseconds."""

    def __init__(self, files: list[Path]) -> None:
        self._files = [_Pages(file) for file in files]
        self._before = _resident()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self.anonymous = self.mapped = self.cached = 0

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _sample(self) -> None:
        over, count = False, 0
        while not over:
            over = self._over.wait(0.005)
            anonymous, mapped = _resident()
            self.anonymous = max(self.anonymous, anonymous - self._before[0])
            self.mapped = max(self.mapped, mapped - self._before[1])
            if over or count % 10 == 0:  # dearer, and slower to change
                self.cached = max(self.cached, sum(file.cached() for file in self._files))
            count += 1


class _Pages:
    """How much of a file is in the page cache (mincore(2)); looking does not bring it there."""

    def __init__(self, file: Path) -> None:
        with file.open("r+b") as stream:  # only who may write is told the truth
            self._map = mmap.mmap(stream.fileno(), 0)
        self._libc = ctypes.CDLL(None)
        self._pages = (ctypes.c_ubyte * math.ceil(len(self._map) / mmap.PAGESIZE))()

    def cached(self) -> int:
        start = ctypes.addressof(ctypes.c_char.from_buffer(self._map))
        self._libc.mincore(ctypes.c_void_p(start), ctypes.c_size_t(len(self._map)), self._pages)
        return sum(page & 1 for page in bytes(self._pages)) * mmap.PAGESIZE


def _resident() -> tuple[int, int]:
    """RssAnon and RssFile of this process, in bytes."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines["RssAnon"].split()[0]) * 1024, int(lines["RssFile"].split()[0]) * 1024


def with_sparkctl(folder: Path, world_size: int) -> tuple[Any, int | None]:
    """Our loader."""
    loaded = load.load_sharded(folder, world_size, torch.bfloat16)
    return loaded.model, loaded.bytes_read


def with_sparkctl_and_lora(folder: Path, world_size: int) -> tuple[Any, int | None]:
    """Our loader, and an adapter on it."""
    model, read = with_sparkctl(folder, world_size)
    return adapter.attach(model, Lora(kind="lora"), seed=0).model, read


def with_accelerate(folder: Path, world_size: int) -> tuple[Any, int | None]:
    """As accelerate's FSDP2 does it, its memory-saving loading on.

    On a CPU accelerate leaves sharding out without a word; `_shim` makes it do what it does on a
    GPU.
    """
    accelerator = _shim()
    base = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16)
    model = adapter.attach(base, Lora(kind="lora"), seed=0).model
    learned = [p for p in model.parameters() if p.requires_grad]
    model, _ = accelerator.prepare(model, torch.optim.AdamW(learned))
    return model, None


WAYS: dict[str, Callable[[Path, int], tuple[Any, int | None]]] = {
    OURS: with_sparkctl,
    OURS_LORA: with_sparkctl_and_lora,
    ACCELERATE: with_accelerate,
}


def _shim() -> Accelerator:
    """An accelerator that takes these CPU ranks for GPUs. For this measurement alone."""
    os.environ |= {
        "ACCELERATE_TORCH_DEVICE": "cpu",
        "ACCELERATE_USE_FSDP": "true",
        "FSDP_VERSION": "2",
        "FSDP_AUTO_WRAP_POLICY": "TRANSFORMER_BASED_WRAP",
        "FSDP_TRANSFORMER_CLS_TO_WRAP": "LlamaDecoderLayer",
        "FSDP_CPU_RAM_EFFICIENT_LOADING": "true",
        "FSDP_RESHARD_AFTER_FORWARD": "true",
        "FSDP_STATE_DICT_TYPE": "SHARDED_STATE_DICT",
    }
    backend = ("gloo", state.DistributedType.MULTI_GPU)
    state.PartialState._prepare_backend = lambda *_, **__: backend
    begin = state.PartialState.__init__
    state.PartialState.__init__ = lambda self, cpu=False, **given: begin(self, False, **given)
    return Accelerator()


def main(way: str, folder: Path) -> Taken:
    """Join the others, load, and count."""
    log_levels.silence_libraries()
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    rank, ranks = dist.get_rank(), dist.get_world_size()
    architecture_of(folder)  # its class is imported before anything is measured
    gc.collect()
    dist.barrier()
    began = time.monotonic()
    with Watch(sorted(folder.glob("*.safetensors"))) as watch:
        model, read = WAYS[way](folder, ranks)
        seconds = time.monotonic() - began
    base = [w for name, w in model.named_parameters() if "lora_" not in name]
    held = [w.to_local().numel() if isinstance(w, DTensor) else w.numel() for w in base]
    share = [math.ceil(w.numel() / ranks) for w in base]
    dist.barrier()
    dist.destroy_process_group()
    return Taken(
        way=way,
        rank=rank,
        seconds=seconds,
        anonymous=watch.anonymous,
        mapped=watch.mapped,
        cached=watch.cached,
        read=read,
        base=sum(w.numel() for w in base),
        held=sum(held),
        shared=all(isinstance(w, DTensor) for w in base)
        and all(own <= most for own, most in zip(held, share, strict=True)),
    )


if __name__ == "__main__":
    print(json.dumps(asdict(main(sys.argv[1], Path(sys.argv[2])))), flush=True)
    os._exit(0)
