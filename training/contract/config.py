"""The one schema of a training: what `training:` in a recipe may hold, and what a rank reads.

The controller validates recipes and `--set training.optim.lr=2e-4` with these models, the container
reads the very same document, so this module (like the package) never imports torch.
"""

from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

from training.contract.names import ABSOLUTE, DATA, MODEL, fit_data, fit_model, source_of
from training.contract.sentences import listed

Name = Annotated[
    str,
    Field(pattern=MODEL, examples=["builtin:tiny-llama", "org/name", "/path"]),
    BeforeValidator(fit_model),
]
DataName = Annotated[str, Field(pattern=DATA, examples=["my.jsonl"]), BeforeValidator(fit_data)]

_DTYPES = {"bf16": "bfloat16", "fp32": "float32", "torch.bfloat16": "bfloat16"}


class _Section(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True
    )


class ModelConfig(_Section):
    """The base model. Its weights are read only; every node needs its own whole copy on disk."""

    name: Name
    """`builtin:tiny-llama` (made on the node), a Hub id `org/name`, or an absolute folder."""

    revision: str = "main"
    """Hub only: branch, tag or commit. A commit makes sure that all nodes have the same bytes."""

    dtype: Annotated[
        Literal["bfloat16", "float32"], BeforeValidator(lambda name: _DTYPES.get(str(name), name))
    ] = "bfloat16"
    """Number format of a frozen base, and of forward and backward passes.

    What is trained, adapters or all weights, is always held in float32.
    """

    @field_validator("name")
    @classmethod
    def _known_builtin(cls, name: str) -> str:
        return _known(name, "builtin:tiny-llama")


class Full(_Section):
    """All weights are trained, in float32: 16 bytes a weight with gradient and AdamW's averages."""

    kind: Literal["full"]
    """The method. bfloat16 would round most updates to nothing, so weights are never held in it."""


class _Adapter(_Section):
    r: int = Field(8, ge=1, le=1024)
    """Rank of the adapter matrices."""

    alpha: int = Field(16, ge=1)
    """Scale: the update is multiplied by alpha / r."""

    dropout: float = Field(0.0, ge=0, lt=1)
    """Share of adapter inputs dropped while training."""

    targets: tuple[str, ...] = Field(
        ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"), min_length=1
    )
    """Names of the linear layers that get an adapter."""

    dora: bool = False
    """Train the length of each weight's columns apart from their direction (DoRA). Needs ddp."""


class Lora(_Adapter):
    """Low-rank adapters on a frozen base (peft)."""

    kind: Literal["lora"]
    """The method."""


class Qlora(_Adapter):
    """The same, on a base whose linear layers are held in 4 bits (NF4, bitsandbytes). Needs ddp."""

    kind: Literal["qlora"]
    """The method."""

    double_quantization: bool = True
    """Quantize the scales of the blocks of 64 weights too: 4.1 bits a weight instead of 4.5."""


Method = Annotated[Full | Lora | Qlora, Field(discriminator="kind")]


class Data(_Section):
    """What to train on. The loss counts answers only, never the prompt; of plain text, all."""

    name: DataName
    """`builtin:instructions`, a Hub id `org/name`, or a file in `paths.data`: .jsonl, .json, .txt.

    Rows have the column messages (chat), or prompt and completion, or instruction, input (optional)
    and output (alpaca), or text. In a .txt file every line is a text.
    """

    revision: str = "main"
    """Hub only: branch, tag or commit."""

    split: str = "train"
    """Hub only: which split."""

    rows: int | None = Field(None, ge=1)
    """Rows to train on, from the start of the set; null: all but the held-out ones."""

    held_out_rows: int = Field(32, ge=1)
    """Rows set apart for evaluation, spread evenly over the set and never trained on."""

    template: Literal["alpaca", "plain", "chat"] = "alpaca"
    """How instruction and input become a prompt: the alpaca text, just their own lines, or a turn.

    `chat` writes them as the model's chat template does, which is what rows of messages always get.
    """

    chat_template: str | None = Field(None, pattern=ABSOLUTE)
    """Absolute path of a Jinja file; null: the chat template of the model's tokenizer."""

    max_length: int = Field(2048, ge=8)
    """Longest sequence, prompt and completion together, in tokens; longer ones are cut."""

    @field_validator("name")
    @classmethod
    def _known_builtin(cls, name: str) -> str:
        return _known(name, "builtin:instructions")


class Optim(_Section):
    """AdamW and its learning rate."""

    lr: float = Field(1e-4, gt=0, le=1)
    """Peak learning rate."""

    schedule: Literal["linear", "cosine", "constant"] = "linear"
    """How the learning rate changes after the warm-up; linear and cosine end at 0."""

    warmup_steps: int = Field(0, ge=0)
    """Optimizer steps in which the learning rate climbs from 0 to its peak."""

    weight_decay: float = Field(0.0, ge=0)
    """AdamW's decoupled weight decay."""

    max_grad_norm: float = Field(1.0, gt=0)
    """Gradients are scaled down to this norm."""


class Parallel(_Section):
    """How the ranks share the work, and how long they wait for each other."""

    strategy: Literal["auto", "sharded", "ddp"] = "auto"
    """`sharded`: every rank holds 1/N of the base (FSDP2). `ddp`: every rank holds all of it.

    `auto`: ddp where a whole copy fits on the smallest node, by the estimate, else sharded. QLoRA
    and DoRA are always ddp.
    """

    timeout: float = Field(600, gt=0)
    """Longest wait for another rank at the start and in a training collective, in seconds."""

    prepare_timeout: float = Field(6 * 3600, gt=0)
    """Longest wait for another rank while models and data are fetched and loaded, in seconds."""


class Loop(_Section):
    """How much and how often."""

    epochs: float = Field(1.0, gt=0)
    """Passes over the training rows."""

    max_steps: int | None = Field(None, ge=1)
    """Optimizer steps; when set, it wins over epochs."""

    per_device_batch_size: int = Field(4, ge=1)
    """Sequences per rank in one forward pass."""

    batching: Literal["auto", "padding-free", "packed", "padded"] = "auto"
    """`padding-free`: the sequences of a batch in one row, one after the other.

    `packed`: as many sequences as fit in per_device_batch_size x max_length tokens; fewer, larger
    steps. `padded`: each in a row of its own, filled up to the longest. `auto`: `padding-free`
    wherever a probe shows that the model's attention keeps the sequences of a row apart, else
    `padded`.
    """

    gradient_accumulation_steps: int = Field(1, ge=1)
    """Forward passes per optimizer step."""

    gradient_checkpointing: bool = False
    """Compute activations again in the backward pass instead of keeping them: slower, smaller."""

    eval_every: int = Field(0, ge=0)
    """Optimizer steps between evaluations; 0: only before the first and after the last step."""

    log_every: int = Field(1, ge=1)
    """Optimizer steps between `step` events."""

    peak_tflops: float | None = Field(None, gt=0)
    """Peak of one GPU, in 10^12 FLOP/s. Used to compute MFU; without it MFU is not reported."""

    seed: int = Field(42, ge=0, lt=2**32)
    """Seed of adapter weights, data order and dropout."""


class Checkpoint(_Section):
    """What a restart resumes from. Every rank keeps its own part in the run folder of its node."""

    every: int = Field(50, ge=0)
    """Optimizer steps between checkpoints; 0: only when the run is stopped (SIGTERM)."""

    keep: int = Field(2, ge=1)
    """How many are kept; older ones go when all ranks have the new one."""


Tracker = Literal["wandb", "mlflow", "trackio"]


class Tracking(_Section):
    """Where the curves go, besides TensorBoard's files, which are always written."""

    to: Annotated[tuple[Tracker, ...], BeforeValidator(listed)] = ()
    """Each is put into the image. Keys are secrets of the stack (WANDB_API_KEY), addresses are
    `env:` (MLFLOW_TRACKING_URI)."""

    project: str = Field("sparkctl", min_length=1)
    """Project or experiment that runs are put into."""


class TrainingConfig(_Section):
    """A whole training. Frozen; unknown keys are errors."""

    model: ModelConfig
    method: Method = Lora(kind="lora")
    data: Data
    optim: Optim = Optim()
    parallel: Parallel = Parallel()
    loop: Loop = Loop()
    checkpoint: Checkpoint = Checkpoint()
    tracking: Tracking = Tracking()

    @model_validator(mode="after")
    def _can_be_sharded(self) -> "TrainingConfig":
        if self.parallel.strategy == "sharded" and (reason := never_sharded(self.method)):
            raise ValueError(f"parallel.strategy cannot be sharded: {reason}")
        return self


def never_sharded(method: Full | Lora | Qlora) -> str | None:
    """Why FSDP2 cannot shard a base that is trained this way; None: it can."""
    if isinstance(method, Qlora):
        return "it does not keep the scales of 4-bit weights (bitsandbytes#1945)"
    if isinstance(method, Lora) and method.dora:
        return "DoRA needs whole weights"
    return None


def _known(name: str, *builtins: str) -> str:
    if source_of(name) == "builtin" and name not in builtins:
        raise ValueError(f"there is no {name}; known: {', '.join(builtins)}")
    return name
