"""The events of a rank: one JSON object per line, on stdout and in the run folder.

Written by every rank (`training/ranks/events.py`), read with `parse`. `event` is always the first
key. Numbers that are not finite are written as null: NaN is not JSON.
"""

import math
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from training.contract.counts import Count, DataCounts


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


Number = Annotated[float | None, BeforeValidator(_finite)]


class Event(BaseModel):
    """What all of them are."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True, allow_inf_nan=False)


class Start(Event):
    """The group is checked, base and data are loaded; step 1 comes next."""

    event: Literal["start"] = "start"
    rank: Count
    run_id: str
    node: str
    world_size: Count
    total_steps: Count
    strategy: Literal["sharded", "ddp"]
    base_sha256: str
    parameters: Count
    """Weights of the whole base."""
    local_parameters: Count
    """Weights of the base that this rank holds."""
    trainable_parameters: Count
    bytes_read: Count
    """Bytes of weight files that this rank read."""
    train_rows: Count
    held_out_rows: Count
    device: str
    batching: str | None = None
    """As chosen: `padding-free`, `packed` or `padded`."""
    packing: str | None = None
    """Where `auto` packs, what that makes of the steps, in a sentence."""
    gradient_checkpointing: bool | Literal["selective"] | None = None
    """As chosen."""
    attention: str | None = None
    """What computes it: `varlen`, `sdpa_by_sequence`, or a name of transformers (`sdpa`)."""
    kernels: str | None = None
    """As chosen: `plain`, `liger`, `fla` or `compiled`."""


class DataRead(Event):
    """What the rows became; comes before `start`."""

    event: Literal["data"] = "data"
    rank: Count
    counts: DataCounts
    train: Count
    """Sequences to train on."""
    held_out: Count
    """Sequences that are held out."""
    reused: bool
    """An earlier start had made the tokens."""
    elapsed: float


class Adapts(Event):
    """Which layers of the base get an adapter."""

    event: Literal["adapts"] = "adapts"
    rank: Count
    layers: Count
    """Linear layers, and stacks of experts, that get one."""
    of: Count
    """All that the model has."""
    left_out: tuple[str, ...] = ()
    """The others, a phrase for each reason: `1 output layer (lm_head)`."""
    init_from: str | None = None
    """The adapter that training starts from."""
    trained_on: str | None = None
    """The base that it names."""
    elapsed: float


class Phase(Event):
    """What the rank starts to do: joining, preparing base, loading, preparing data, training…"""

    event: Literal["phase"] = "phase"
    rank: Count
    name: str
    elapsed: float
    """Seconds since this process began."""


class Eval(Event):
    """Held-out loss (mean, nats per completion token), the same on every rank."""

    event: Literal["eval"] = "eval"
    rank: Count
    step: Count
    loss: Number
    elapsed: float


class Step(Event):
    """One or more (`loop.log_every`) optimizer steps, up to and with `step`."""

    event: Literal["step"] = "step"
    rank: Count
    step: Count
    total_steps: Count
    loss: Number
    """Mean training loss over these steps and over all ranks."""
    lr: Number
    grad_norm: Number
    tokens: Count
    """Real tokens, prompt and completion without padding, that THIS RANK processed."""
    tokens_per_second: Number
    """Real tokens per second of ALL RANKS together; evaluations are not in the time. Null for a
    step that the profiler looked at (`communication`), when it is told alone."""
    rank_tokens_per_second: Number = None
    """Of this rank alone."""
    tflops: Number = None
    """Model TFLOP/s of this rank: 4 FLOPs a weight and real token, 6 in full fine-tuning."""
    mfu: Number = None
    """`tflops` as a share of `loop.peak_tflops`; null when that is not stated."""
    seconds: dict[str, float] | None = None
    """Of one step, as the host sees it: data, forward, backward, other (optimizer, saving).

    `communication` now and then: how long collectives were under way in one step, beside the rest;
    on a GPU also `exposed`: how long of that nothing was computed.
    """
    memory_peak: Count | None = None
    """Most bytes that this process held at once so far, and a GPU's own for it."""
    memory: dict[str, Count] | None = None
    """Peaks so far in bytes: `host` (this process), on a GPU `allocated` (tensors) and `reserved`
    (what torch took for them)."""
    memory_available: Count | None = None
    """MemAvailable of the node, in bytes."""
    elapsed: float


class Saved(Event):
    """All ranks have this checkpoint; a restart resumes from here."""

    event: Literal["saved"] = "saved"
    rank: Count
    step: Count
    bytes: Count
    """Size of this rank's part."""
    seconds: float
    """How long training waited for it."""
    elapsed: float


class AdapterSaved(Event):
    """An adapter that can be used while training goes on (`checkpoint.adapter_every`)."""

    event: Literal["adapter"] = "adapter"
    rank: Count
    step: Count
    folder: str
    kept: tuple[Count, ...]
    """Steps of all that are there now."""
    elapsed: float


class Resumed(Event):
    """This is a restart: training continues after `step`, with everything as it was then."""

    event: Literal["resumed"] = "resumed"
    rank: Count
    step: Count
    passed_over: list[Count]
    """Newer checkpoints that were skipped: they were not complete on every rank."""
    elapsed: float


class Group(Event):
    """What a script's own process saw of its group, at its first and second optimizer step.

    Printed by training/script/site/sparkctl_witness.py, judged by training/gang/proof.py.
    """

    event: Literal["group"] = "group"
    rank: Count
    step: Literal[1, 2]
    world_size: Count
    """Of the default process group; 1 without one."""
    backend: Annotated[str, Field(max_length=100)] | None = None
    collectives: Count | None = None
    """Collectives that this process took part in: at step 1 since it began, at step 2 since
    step 1."""
    total: Count | None = None
    """Sum over the group of the numbers that the supervisors gave their ranks."""
    gradients: tuple[float, float] | None = None
    """Sum, and sum of squares, of all gradients; null where they are sharded."""
    wrappers: Annotated[tuple[Annotated[str, Field(max_length=40)], ...], Field(max_length=10)] = ()
    """What is around the model for training in parallel."""
    parameters: Count = 0
    """Weights of the whole model."""
    local_parameters: Count = 0
    """Weights of it that this rank holds."""
    elapsed: float


class Result(Event):
    """The rank succeeded: trained, evaluated, saved, and equal on all ranks."""

    event: Literal["result"] = "result"
    rank: Count
    state: Literal["succeeded"] = "succeeded"
    step: Count
    eval_loss_first: Number
    eval_loss_last: Number
    """Held out, of what was saved."""
    kept_step: Count | None = None
    """The step after which the weights were as they were saved (`loop.keep`)."""
    ended_early: bool = False
    """No lower held-out loss came within `loop.patience`; `step` is the last one that was made."""
    weights_sha256: str
    """Of what was trained, the same on every rank."""
    saved: str | None
    """Folder of the adapter or model; null on ranks that save nothing."""
    tokens: Count
    """Real tokens of all ranks together."""
    tokens_per_second: Number = None
    """Of all ranks together: the median of this attempt's steps."""
    mfu: Number = None
    """Mean of this attempt's steps."""
    memory_peak: Count | None = None
    """Bytes, as in `step`."""
    memory: dict[str, Count] | None = None
    """As in `step`."""
    step_seconds: dict[str, float] | None = None
    """Of all steps of this attempt together, by phase as in `step`."""
    seconds: float
    """Since this process began."""


class Error(Event):
    """The rank failed. The exit status shows whether a restart can help."""

    event: Literal["error"] = "error"
    rank: Count
    code: str
    message: str
    help: str
    exit_code: int
    of_peer: bool = False
    """It happened on another rank."""
    seconds: float


AnyEvent = (
    DataRead
    | Start
    | Adapts
    | Phase
    | Eval
    | Step
    | Saved
    | AdapterSaved
    | Resumed
    | Group
    | Result
    | Error
)
_EVENT: TypeAdapter[AnyEvent] = TypeAdapter(Annotated[AnyEvent, Field(discriminator="event")])


def parse(line: str) -> AnyEvent | None:
    """Read one line of a rank's output; None for anything that is not an event."""
    if not line.startswith('{"event":'):
        return None
    try:
        return _EVENT.validate_json(line)
    except ValidationError:
        return None
