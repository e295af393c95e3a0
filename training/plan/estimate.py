"""Memory of a node and time of a step, before anything runs. Arithmetic alone: no torch.

Weights, optimizer and activations follow from the model's shape. The memory terms are checked
against the peaks of real trainings on CPUs (tests/training/plan/test_estimate_measured.py).
"""

from dataclasses import dataclass
from typing import Literal

from training.contract.config import Full, Lora, Qlora, TrainingConfig
from training.contract.method import ALL_LINEAR, is_pattern, no_experts
from training.plan.hardware import GB10, Hardware
from training.plan.memory import Memory
from training.plan.shape import Part, Shape

Strategy = Literal["sharded", "ddp"]
BYTES = {"bfloat16": 2, "float32": 4}
BITS_4 = {True: 4 + 8 / 64 + 32 / (64 * 256), False: 4 + 32 / 64}
"""Bits of a weight in NF4 with its share of the scales, with and without double quantization."""
_ENDS = ("embed_tokens", "embeddings", "lm_head")
"""Modules that people train whole beside an adapter; of others the size is not counted."""
_EXPERTS = "experts"
"""What all families call the module that holds a layer's stacks of them."""
AVERAGES = {"adamw": 8.0, "adamw_8bit": 2 * (1 + 4 / 256)}
"""Bytes of AdamW's two averages of a weight: in float32, or in a byte with a scale for 256."""
LEARNING = 8
"""Bytes of a weight that learns: itself and its gradient, which DDP's buckets hold; in float32."""
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
        """Full rows of `max_length`, all counted in the loss: no batch can be larger.

        Packed passes have a budget of their own; `auto` may pack, or not.
        """
        loop = config.loop
        rows, room = loop.per_device_batch_size * config.data.max_length, loop.tokens_per_pass
        tokens = {"packed": room or rows, "auto": max(room or 0, rows)}.get(loop.batching, rows)
        return cls(tokens, tokens)


def trained(shape: Shape, method: Full | Lora | Qlora) -> int:
    """Weights that learn: A (inputs x r) and B (r x outputs) of each target, or the whole model."""
    if isinstance(method, Full):
        return shape.language
    linear = [one for one in shape.linear if adapted(method, one.name)]
    experts = [one for one in shape.experts if experts_adapted(method, one.name)]
    magnitudes = sum(one.outputs for one in linear) if method.dora else 0
    adapters = sum(one.inputs + one.outputs for one in linear)
    adapters += sum(one.number * (one.inputs + one.outputs) for one in experts)
    ends = sum(name.rpartition(".")[2] in _ENDS for name in method.modules_to_save)
    return method.r * adapters + magnitudes + ends * shape.embedding


def adapted(method: Lora | Qlora, name: str) -> bool:
    """Whether linear layers of this name may get an adapter.

    A name with dots means the end of a layer's own; of a pattern only the layers know what it
    means. `exclude` may leave less: here it counts where it names a kind of layers.
    """
    if name in method.exclude:
        return False
    ends = {target.rpartition(".")[2] for target in method.targets if not is_pattern(target)}
    return name in ends or any(t == ALL_LINEAR or is_pattern(t) for t in method.targets)


def experts_adapted(method: Lora | Qlora, name: str) -> bool:
    """The same of a stack of experts."""
    possible = no_experts(method) is None and _EXPERTS not in method.exclude
    return possible and adapted(method, name)


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
    mixed = full and compute == 2 and strategy == "ddp"
    held = {
        "weights": base_bytes(shape, config) // share,
        "adapter": 0 if full else trained_bytes,
        "gradients": trained_bytes,
        "optimizer": int(AVERAGES[config.optim.name] * trained_bytes / 4),
        "runtime": hardware.runtime,
    }
    inputs, at_work = activations(shape, config, work)
    tiles = loss(shape, compute, hardware, work, full)
    checkpointed = config.loop.gradient_checkpointing
    passing = {
        # With checkpointing the loss is behind when the first layer is computed anew.
        "activations": inputs + (max(at_work - tiles, 0) if checkpointed else at_work),
        "loss": tiles,
        "experts with adapters": with_adapters(shape, config),
        "gathered": gathered(shape, compute, full) if share > 1 else 0,
        "weights in bfloat16": 2 * shape.language if mixed else 0,  # autocast keeps them
    }
    # Gradients of a whole model come as activations go, but where an earlier pass of the step has
    # left some, or DDP has its buckets. Those of adapters are little.
    several = config.loop.gradient_accumulation_steps > 1
    if not full or several or (strategy == "ddp" and ranks > 1):
        return Memory(held, passing)
    ending = {"activations": one_layer(shape, config, work), "gathered": passing["gathered"]}
    return Memory(held, passing, ending)


def base_bytes(shape: Shape, config: TrainingConfig) -> int:
    """The base as it is held, all of it: in 4 bits, in `model.dtype`, or float32 if it learns."""
    match config.method:
        case Full():
            return 4 * shape.parameters
        case Qlora(double_quantization=double):
            small = sum(one.weights for one in shape.linear)
            rest = shape.parameters - small
            return int(small * BITS_4[double] / 8) + rest * BYTES[config.model.dtype]
        case _:
            return shape.parameters * BYTES[config.model.dtype]


def with_adapters(shape: Shape, config: TrainingConfig) -> int:
    """Experts that have adapters are added up with them, all of a layer, into a copy.

    The backward pass needs it, and makes a gradient of the same size.
    """
    method = config.method
    if isinstance(method, Full):
        return 0
    layers = [
        BYTES[config.model.dtype]
        * sum(e.weights for e in part.experts if experts_adapted(method, e.name))
        for part in shape.layers
    ]
    kept = max(layers) if config.loop.gradient_checkpointing else sum(layers)
    return kept + max(layers)


def gathered(shape: Shape, compute: int, full: bool) -> int:
    """What FSDP2 brings together: the layer at work and the next one, and the output layer.

    trl's loss gathers the output layer once more. Of a layer that learns, its gradient before it is
    sharded, in float32.
    """
    layer = shape.largest_layer.weights
    return compute * (2 * layer + 2 * shape.embedding) + (4 * layer if full else 0)


def activations(shape: Shape, config: TrainingConfig, work: Work) -> tuple[int, int]:
    """What the forward pass keeps to its end, and what is there besides when the backward works.

    Bytes. Each part of a layer says what a token leaves in it (`mixers`, `feed_forward`). With
    gradient checkpointing only a layer's input is kept, and one layer at a time is computed anew.
    Norms work in float32, and keep what they take in in it. So does DoRA; other adapters take what
    is there.
    """
    size = BYTES[config.model.dtype]
    layers = [_layer_bytes(part, shape.hidden, config, size) for part in shape.layers]
    ends = 2 * size * shape.hidden
    if again := config.loop.gradient_checkpointing:
        inputs = size * shape.hidden * len(shape.layers) + ends
        if again == "selective":
            inputs += size * sum(part.products for part in shape.layers)
        return work.tokens * inputs, one_layer(shape, config, work)
    kept = sum(kept for kept, _ in layers) + ends
    return work.tokens * kept, work.tokens * max(working for _, working in layers)


def one_layer(shape: Shape, config: TrainingConfig, work: Work) -> int:
    """Bytes of the activations of the layer that takes the most, while it goes backwards."""
    size = BYTES[config.model.dtype]
    layers = (_layer_bytes(part, shape.hidden, config, size) for part in shape.layers)
    return work.tokens * max(kept + working for kept, working in layers)


def kept_bytes(shape: Shape, config: TrainingConfig) -> int:
    """What a token leaves in all layers for the backward pass, were nothing computed again."""
    size = BYTES[config.model.dtype]
    return sum(_layer_bytes(part, shape.hidden, config, size)[0] for part in shape.layers)


def _layer_bytes(part: Part, hidden: int, config: TrainingConfig, size: int) -> tuple[int, int]:
    """What a token keeps in a layer, and what is there besides in the layer's backward pass."""
    square = size * part.square * config.data.max_length
    kept = size * part.kept + 4 * part.kept_float + square
    method = config.method
    if not isinstance(method, Full) and size == 2:
        kept += 4 * hidden
        if method.dora:
            kept += 4 * part.inputs
    return kept, size * (2 * hidden + part.working) + 3 * square


def loss(shape: Shape, compute: int, hardware: Hardware, work: Work, full: bool) -> int:
    """The output layer: one tile of logits at a time, gradients of its input, and of it if full."""
    tile = min(work.loss_tokens, LOSS_TOKENS) * min(shape.vocabulary, LOSS_WORDS)
    width = compute if hardware.kind == "cuda" else 4
    weight = 4 * shape.embedding if full else 0
    return LOSS_COPIES[hardware.kind] * width * tile + 8 * work.loss_tokens * shape.hidden + weight
