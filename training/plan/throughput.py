"""Time of an optimizer step and tokens per second, before anything runs. Arithmetic alone."""

from training.contract.config import Full, Lora, Qlora, TrainingConfig
from training.plan.estimate import BYTES, Strategy, Work, trained
from training.plan.hardware import GB10, Hardware
from training.plan.shape import Shape


def step_seconds(
    shape: Shape,
    config: TrainingConfig,
    strategy: Strategy,
    ranks: int,
    hardware: Hardware = GB10,
    work: Work | None = None,
) -> float:
    """Seconds of one step of all ranks: computing or the link, whichever takes longer.

    They overlap: the next weights travel while a layer computes.
    """
    work = work or Work.most(config)
    passes = config.loop.gradient_accumulation_steps
    computing = passes * work.tokens * flops_per_token(shape, config) / hardware.flops
    return max(computing, link_bytes(shape, config, strategy, ranks, passes) / hardware.link)


def flops_per_token(shape: Shape, config: TrainingConfig) -> int:
    """FLOPs: 2 a weight forwards, 2 backwards for the inputs, 2 more for the weights if they learn.

    Gradient checkpointing goes forwards twice. Looking up an embedding is free, the output layer is
    not; attention reads half of a full row on average. Of experts those count that a token uses.
    """
    forwards = 1 + _again(config)
    passes = 1 + isinstance(config.method, Full) + forwards
    weights = sum(part.computed for part in shape.layers) + shape.embedding
    attention = 2 * config.data.max_length * sum(part.scores for part in shape.layers)
    return 2 * passes * weights + (2 + forwards) * attention


def _again(config: TrainingConfig) -> bool:
    """Whether products of matrices are computed again in the backward pass."""
    return config.loop.gradient_checkpointing in (True, "auto")


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
