"""Memory of a node and time of a step, before anything runs. Arithmetic alone: no torch.

Weights, optimizer and activations follow from the model's shape. The memory terms are checked
against the peaks of real trainings on CPUs (tests/training/plan/test_estimate_measured.py).
"""

from dataclasses import dataclass
from typing import Literal

from training.contract.config import Full, Lora, Qlora, TrainingConfig
from training.contract.method import ALL_LINEAR
from training.plan.hardware import GB10, Hardware
from training.plan.memory import Memory
from training.plan.shape import Shape

Strategy = Literal["sharded", "ddp"]
BYTES = {"bfloat16": 2, "float32": 4}
BITS_4 = {True: 4 + 8 / 64 + 32 / (64 * 256), False: 4 + 32 / 64}
"""Bits of a weight in NF4 with its share of the scales, with and without double quantization."""
LOSS_TOKENS, LOSS_WORDS = 4096, 32768
"""Largest tile of logits that trl's loss makes at a time: tokens x words of the vocabulary."""
LOSS_COPIES = {"cuda": 1, "cpu": 9}
"""Tiles that exist at once: Triton works in place, torch's own operations copy in float32."""


@dataclass(frozen=True)
class Work:
    """What a rank does at a time: forward passes of `tokens`, of which `loss_tokens` count."""

    tokens: int
    loss_tokens: int

    @classmethod
    def most(cls, config: TrainingConfig) -> "Work":
        """Full rows of `max_length`, all counted in the loss: no batch can be larger."""
        tokens = config.loop.per_device_batch_size * config.data.max_length
        return cls(tokens, tokens)


def trained(shape: Shape, method: Full | Lora | Qlora) -> int:
    """Weights that learn: A (inputs x r) and B (r x outputs) of each target, or the whole model."""
    if isinstance(method, Full):
        return shape.parameters
    named = shape.linear if ALL_LINEAR in method.targets else method.targets
    layers = [shape.linear[name] for name in named if name in shape.linear]
    magnitudes = sum(o for _, o in layers) if method.dora else 0
    return shape.layers * (sum(method.r * (i + o) for i, o in layers) + magnitudes)


def memory(
    shape: Shape,
    config: TrainingConfig,
    strategy: Strategy,
    ranks: int,
    hardware: Hardware = GB10,
    work: Work | None = None,
) -> Memory:
    """Memory of one node with one rank."""
    method = config.method
    work = work or Work.most(config)
    full = isinstance(method, Full)
    share = ranks if strategy == "sharded" else 1
    compute = BYTES[config.model.dtype]
    trained_bytes = 4 * trained(shape, method) // (share if full else 1)
    several = strategy == "ddp" and ranks > 1
    mixed = full and compute == 2 and strategy == "ddp"
    held = {
        "weights": base_bytes(shape, config) // share,
        "adapter": 0 if full else trained_bytes,
        "gradients": trained_bytes,
        "optimizer": 2 * trained_bytes,  # AdamW's two averages, float32
        "runtime": hardware.runtime,
        "gradient buckets": trained_bytes if several else 0,  # DDP's own copy
    }
    inputs, at_work = activations(shape, config, work)
    tiles = loss(shape, compute, hardware, work, full)
    checkpointed = config.loop.gradient_checkpointing
    passing = {
        # With checkpointing the loss is behind when the first layer is computed anew.
        "activations": inputs + (max(at_work - tiles, 0) if checkpointed else at_work),
        "loss": tiles,
        "gathered": gathered(shape, compute, full) if share > 1 else 0,
        "weights in bfloat16": 2 * shape.parameters if mixed else 0,  # autocast keeps them
    }
    return Memory(held, passing)


def base_bytes(shape: Shape, config: TrainingConfig) -> int:
    """The base as it is held, all of it: in 4 bits, in `model.dtype`, or float32 if it learns."""
    match config.method:
        case Full():
            return 4 * shape.parameters
        case Qlora(double_quantization=double):
            small = shape.layers * sum(i * o for i, o in shape.linear.values())
            rest = shape.parameters - small
            return int(small * BITS_4[double] / 8) + rest * BYTES[config.model.dtype]
        case _:
            return shape.parameters * BYTES[config.model.dtype]


def gathered(shape: Shape, compute: int, full: bool) -> int:
    """What FSDP2 brings together: the layer at work and the next one, and the output layer.

    trl's loss gathers the output layer once more. Of a layer that learns, its gradient before it is
    sharded, in float32.
    """
    return compute * (2 * shape.layer + 2 * shape.embedding) + (4 * shape.layer if full else 0)


def activations(shape: Shape, config: TrainingConfig, work: Work) -> tuple[int, int]:
    """What the forward pass keeps to its end, and what is there besides when the backward works.

    Numbers of a token and layer: norms 2 x 2 hidden, attention (queries, keys, values, what comes
    out, and the same laid out anew), the MLP 4 intermediate: the gate, its sigmoid, the other half,
    their product. With gradient checkpointing only a layer's input is kept, and one layer at a time
    is computed anew. Norms work in float32, and keep what they take in in it. So does DoRA; other
    adapters take what is there.
    """
    method, size = config.method, BYTES[config.model.dtype]
    attention = 3 * shape.attention + 2 * shape.key_value
    layer = size * (4 * shape.hidden + attention + 4 * shape.intermediate)
    if shape.query_key_norms:
        layer += 4 * (shape.attention + shape.key_value)
    if not isinstance(method, Full) and size == 2:
        layer += 4 * shape.hidden
        if method.dora:
            layer += 4 * (2 * shape.hidden + shape.attention + shape.intermediate)
    backward = size * (2 * shape.hidden + 3 * shape.intermediate)
    ends = 2 * size * shape.hidden
    if config.loop.gradient_checkpointing:
        inputs = size * shape.hidden * shape.layers + ends
        return work.tokens * inputs, work.tokens * (layer + backward)
    return work.tokens * (layer * shape.layers + ends), work.tokens * backward


def loss(shape: Shape, compute: int, hardware: Hardware, work: Work, full: bool) -> int:
    """The output layer: one tile of logits at a time, gradients of its input, and of it if full."""
    tile = min(work.loss_tokens, LOSS_TOKENS) * min(shape.vocabulary, LOSS_WORDS)
    width = compute if hardware.kind == "cuda" else 4
    weight = 4 * shape.embedding if full else 0
    return LOSS_COPIES[hardware.kind] * width * tile + 8 * work.loss_tokens * shape.hidden + weight
