"""Time of an optimizer step and tokens per second, before anything runs. Arithmetic alone.

docs/forecast.md compares it with what owners of Sparks have measured.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from training.contract.config import Full, Lora, Qlora, TrainingConfig
from training.plan.estimate import BYTES, Strategy, Work, base_bytes, kept_bytes, trained
from training.plan.estimate import with_adapters as experts_with_adapters
from training.plan.hardware import GB10, Hardware
from training.plan.shape import Shape

TOUCHED, TOUCHED_AGAIN = 20, 7
"""How many times the bytes that a layer keeps go through memory between the products of matrices,
in both directions, and besides when it is computed again. Counted with a profiler on a CPU (8B
proportions, LoRA, bfloat16): 2.7 and 0.9 MB a token of a layer that keeps 135 KB."""
FUSED = {"plain": 1.0, "liger": 0.78, "fla": 1.0, "compiled": 1 / 3}
"""Share of that which is left (on a CPU, counted; compiled: an assumption; fla: not known)."""
GATHERED = 6
"""Bytes through memory for each byte of a layer that FSDP2 gathers: copied in, through NCCL's own
buffers (a GB10's link cannot write into GPU memory), and copied out."""
DEQUANTISED = 4.5
"""Bytes through memory for each weight in 4 bits that is made 16: read, written, read."""


@dataclass(frozen=True)
class Pace:
    """Seconds of one optimizer step, by what takes them."""

    computing: Mapping[str, float]
    """One after the other on the GPU: products of matrices or reading the weights for them,
    whatever takes longer; and what is between."""
    memory: Mapping[str, float]
    """All that goes through the memory of a node."""
    link: float
    """Between the nodes."""

    @property
    def seconds(self) -> float:
        """They overlap: the next weights travel while a layer computes. The longest counts."""
        return max(self._by_name.values())

    @property
    def bound(self) -> str:
        """What takes that long: `computing`, `memory` or `link`."""
        return max(self._by_name, key=lambda name: self._by_name[name])

    @property
    def _by_name(self) -> dict[str, float]:
        return {
            "computing": sum(self.computing.values()),
            "memory": sum(self.memory.values()),
            "link": self.link,
        }


def pace(
    shape: Shape,
    config: TrainingConfig,
    strategy: Strategy,
    ranks: int,
    hardware: Hardware = GB10,
    work: Work | None = None,
) -> Pace:
    """Of one step of all ranks, each with `work` in every pass."""
    work = work or Work.most(config)
    passes = config.loop.gradient_accumulation_steps
    over = 1 + _forwards(config) + isinstance(config.method, Full)
    products = work.tokens * flops_per_token(shape, config) / hardware.flops
    reading = over * base_bytes(shape, config) / hardware.memory
    between = {
        "between products": work.tokens * _touched(shape, config) / hardware.memory,
        "from 4 bits": _dequantised(shape, config) * over / hardware.memory,
        "experts with adapters": 2 * experts_with_adapters(shape, config) / hardware.memory,
    }
    gathers = 2 * base_bytes(shape, config) if strategy == "sharded" and ranks > 1 else 0
    computing = {"products": max(products, reading)} | between
    memory = {"weights": reading, "gathers": GATHERED * gathers / hardware.memory} | between
    return Pace(
        {name: passes * seconds for name, seconds in computing.items()},
        {name: passes * seconds for name, seconds in memory.items()},
        link_bytes(shape, config, strategy, ranks, passes) / hardware.link,
    )


def _touched(shape: Shape, config: TrainingConfig) -> float:
    """Bytes of a token through memory between the products of matrices, in a whole pass."""
    times = TOUCHED + TOUCHED_AGAIN * bool(config.loop.gradient_checkpointing)
    return FUSED[config.loop.kernels] * times * kept_bytes(shape, config)


def _dequantised(shape: Shape, config: TrainingConfig) -> float:
    small = sum(one.weights for one in shape.linear)
    return DEQUANTISED * small if isinstance(config.method, Qlora) else 0.0


def flops_per_token(shape: Shape, config: TrainingConfig) -> int:
    """FLOPs: 2 a weight forwards, 2 backwards for the inputs, 2 more for the weights if they learn.

    Gradient checkpointing goes forwards twice. Looking up an embedding is free, the output layer is
    not; attention reads half of a full row on average. Of experts those count that a token uses.
    """
    forwards = _forwards(config)
    passes = 1 + isinstance(config.method, Full) + forwards
    weights = sum(part.computed for part in shape.layers) + shape.embedding
    attention = 2 * config.data.max_length * sum(part.scores for part in shape.layers)
    return 2 * passes * weights + (2 + forwards) * attention


def _forwards(config: TrainingConfig) -> int:
    """How often products of matrices are computed forwards; `selective` keeps them."""
    return 1 + (config.loop.gradient_checkpointing in (True, "auto"))


def model_flops_per_token(parameters: int, method: Full | Lora | Qlora) -> int:
    """FLOPs that learning from a token needs: 4 a weight, 6 if it learns. None for computing again.

    What is reported as TFLOP/s and MFU counts real tokens with this, so that neither padding nor
    checkpointing makes a run look faster.
    """
    return (6 if isinstance(method, Full) else 4) * parameters


def link_bytes(
    shape: Shape, config: TrainingConfig, strategy: Strategy, ranks: int, passes: int
) -> float:
    """Bytes that a rank gets from the others in one step.

    Sharded: all weights forwards and again backwards, in each pass; and, if they learn, their
    gradients in float32. DDP: the gradients, there and back. So are those of adapters, which every
    rank has whole, in either strategy; once a step, in float32.

    Adapters on experts are many weights: r 16 on all of Qwen3 30B-A3B are 642 M, 629 M of them on
    experts, 4 * 642e6 = 2.6 GB on two ranks. Of the step they are little: 0.13 s of the 3.1 s that
    its weights take, sharded; of gpt-oss 120B 0.21 of 11.7 s.
    """
    others = (ranks - 1) / ranks
    trained_bytes = 4 * trained(shape, config.method)
    if strategy == "ddp":
        return 2 * trained_bytes * others
    both_ways = 2 * passes * BYTES[config.model.dtype] * shape.parameters
    gradients = passes * trained_bytes if isinstance(config.method, Full) else 2 * trained_bytes
    return (both_ways + gradients) * others
