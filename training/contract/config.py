"""The one schema of a training: what `training:` in a recipe may hold, and what a rank reads.

The controller validates recipes and `--set training.optim.lr=2e-4` with these models, the container
reads the very same document, so this module (like the package) never imports torch.
"""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from training.contract.method import Full, Lora, Method, Qlora, never_sharded
from training.contract.names import ABSOLUTE, MODEL, fit_model, source_of
from training.contract.optim import Optim
from training.contract.section import Section
from training.contract.sentences import listed
from training.contract.source import Evaluation, Place, Source

__all__ = ["Data", "Full", "Loop", "Lora", "Method", "ModelConfig", "Optim", "Parallel", "Qlora",
           "Tracker", "TrainingConfig"]  # fmt: skip

Name = Annotated[
    str,
    Field(pattern=MODEL, examples=["builtin:tiny-llama", "org/name", "/path"]),
    BeforeValidator(fit_model),
]

_DTYPES = {"bf16": "bfloat16", "fp32": "float32", "torch.bfloat16": "bfloat16"}


class ModelConfig(Section):
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
        if source_of(name) == "builtin" and name != "builtin:tiny-llama":
            raise ValueError(f"there is no {name}; known: builtin:tiny-llama")
        return name


class Data(Place):
    """What to train on. The loss counts answers only, never the prompt; of plain text, all."""

    sources: tuple[Source, ...] = ()
    """Several sources instead of one `name`, mixed in proportion to their shares; when one ends,
    the others go on."""

    evaluation: Evaluation | None = None
    """A source of its own for the held-out rows; null: they are set apart from the others."""

    rows: int | None = Field(None, ge=1)
    """Rows to train on, from the start of the set; null: all but the held-out ones."""

    held_out_rows: int = Field(32, ge=1)
    """Rows set apart for evaluation, spread evenly over the set and never trained on. Of
    `evaluation`: how many at most, from its start."""

    on_bad_row: Literal["stop", "skip"] = "stop"
    """What a row that cannot be read does: end the run with its file and line, or be left out and
    counted."""

    template: Literal["alpaca", "plain", "chat"] = "alpaca"
    """How instruction and input become a prompt: the alpaca text, just their own lines, or a turn.

    `chat` writes them as the model's chat template does, which is what rows of messages always get.
    """

    chat_template: str | None = Field(None, pattern=ABSOLUTE)
    """Absolute path of a Jinja file; null: the chat template of the model's tokenizer."""

    max_length: int = Field(2048, ge=8)
    """Longest sequence, prompt and completion together, in tokens. What is longer is `over_long`;
    a plain text becomes several sequences."""

    over_long: Literal["cut", "drop"] = "cut"
    """What is longer than max_length loses its end (`cut`), or is left out and counted (`drop`)."""

    @model_validator(mode="after")
    def _from_somewhere(self) -> "Data":
        if (self.name is None) == (not self.sources):
            raise ValueError("either name or sources is expected, and not both")
        usual = Place.model_fields
        given = [key for key in usual if key != "name" and getattr(self, key) != usual[key].default]
        if self.sources and given:
            raise ValueError(f"{given[0]} belongs to each of the sources")
        return self

    @property
    def training_sources(self) -> tuple[Source, ...]:
        """Where the rows to train on come from: one or more."""
        if self.sources:
            return self.sources
        return (Source.model_validate({key: getattr(self, key) for key in Place.model_fields}),)

    @property
    def named(self) -> dict[str, str]:
        """The name of every source, by its key below `data`."""
        if self.name is not None:
            names = {"name": self.name}
        else:
            names = {f"sources.{i}.name": source.name for i, source in enumerate(self.sources)}
        if self.evaluation is not None:
            names["evaluation.name"] = self.evaluation.name
        return names

    @property
    def label(self) -> str:
        """The training sources in a sentence."""
        return " and ".join(dict.fromkeys(source.name for source in self.training_sources))


class Parallel(Section):
    """How the ranks share the work, and how long they wait for each other."""

    strategy: Literal["auto", "sharded", "ddp"] = "auto"
    """`sharded`: every rank holds 1/N of the base (FSDP2). `ddp`: every rank holds all of it.

    `auto`: ddp where a whole copy fits on the smallest node, by the estimate, else sharded. QLoRA
    and DoRA are always ddp.
    """

    timeout: float = Field(600, gt=0)
    """Longest wait for another rank at the start and in a training collective, in seconds."""

    gpu_memory_share: float = Field(0.9, gt=0, le=1)
    """Share of a node's memory that a run may take, by the estimate. A GPU gives a rank no more of
    its own: what needs it ends with `out_of_memory`; on unified memory the machine would freeze."""

    prepare_timeout: float = Field(6 * 3600, gt=0)
    """Longest wait for another rank while models and data are fetched and loaded, in seconds."""


class Loop(Section):
    """How much and how often."""

    epochs: float = Field(1.0, gt=0)
    """Passes over the training rows."""

    max_steps: int | None = Field(None, ge=1)
    """Optimizer steps; when set, it wins over epochs."""

    per_device_batch_size: int = Field(4, ge=1)
    """Sequences per rank in one forward pass."""

    tokens_per_pass: int | None = Field(None, ge=8)
    """`packed` only: tokens per rank in one forward pass, at most; null: per_device_batch_size x
    max_length, where `auto` packs 2,048 at most (of several passes a step all)."""

    batching: Literal["auto", "padding-free", "packed", "padded"] = "auto"
    """`padding-free`: the sequences of a batch in one row, one after the other.

    `packed`: as many sequences as fit in tokens_per_pass; fewer, larger steps. `padded`: each in a
    row of its own, filled up to the longest. `auto`: `padded` where a probe shows that the model's
    attention does not keep the sequences of a row apart; `packed` where passes are dear (a sharded
    base, or passes of less than 2,048 tokens; not of a model below 100 M weights) and a fifth of
    them are saved, but with gradient accumulation every row stays in its step; else `padding-free`.
    """

    gradient_accumulation_steps: int = Field(1, ge=1)
    """Forward passes per optimizer step."""

    gradient_checkpointing: bool | Literal["auto", "selective"] = "auto"
    """Compute activations again in the backward pass instead of keeping them: slower, smaller.

    `selective` keeps what is dear to compute (attention, multiplications) and computes the rest
    again. `auto`: the least of false, selective and true that fits into what is available when
    the ranks start, by the estimate; true for a model that is not understood.
    """

    kernels: Literal["plain", "liger", "fla", "compiled"] = "plain"
    """What computes norms, rotary positions and gates between the multiplications, on a GPU.

    `plain`: torch, one operation after the other. `liger`: Liger's fused kernels. `fla`: those of
    flash-linear-attention for gated delta nets (Qwen3-Next, 3.5 and 3.6), the rest as in plain.
    `compiled`: each layer by torch.compile, which takes minutes at the first start on a node and is
    kept in paths.cache.
    """

    eval_every: int = Field(0, ge=0)
    """Optimizer steps between evaluations; 0: only before the first and after the last step."""

    keep: Literal["last", "best"] = "last"
    """What is saved at the end: the weights of the last step, or of the evaluated one with the
    lowest held-out loss, which needs eval_every. Each best so far is saved as a checkpoint."""

    patience: int | None = Field(None, ge=1)
    """Evaluations in a row without a lower held-out loss after which training ends early; null:
    never. Needs eval_every."""

    min_delta: float = Field(0.0, ge=0)
    """By more than this a held-out loss must be below the lowest so far to count for patience."""

    log_every: int = Field(1, ge=1)
    """Optimizer steps between `step` events."""

    peak_tflops: float | None = Field(None, gt=0)
    """Peak of one GPU, in 10^12 FLOP/s. Used to compute MFU; without it MFU is not reported."""

    seed: int = Field(42, ge=0, lt=2**32)
    """Seed of adapter weights, data order and dropout."""

    @property
    def compares_evaluations(self) -> bool:
        """Whether what comes out depends on the held-out losses on the way."""
        return self.keep == "best" or self.patience is not None


class Checkpoint(Section):
    """What a restart resumes from. Every rank keeps its own part in the run folder of its node."""

    every: int = Field(50, ge=0)
    """Optimizer steps between checkpoints; 0: only when the run is stopped (SIGTERM)."""

    keep: int = Field(2, ge=1)
    """How many are kept; older ones go when all ranks have the new one."""

    adapter_every: int = Field(0, ge=0)
    """Optimizer steps between adapters that can be used while training goes on, in `adapters` of
    rank 0's run folder; 0: only the one at the end."""

    adapter_keep: int = Field(3, ge=1)
    """How many of these are kept, the newest ones."""


Tracker = Literal["wandb", "mlflow", "trackio"]


class Tracking(Section):
    """Where the curves go, besides TensorBoard's files, which are always written."""

    to: Annotated[tuple[Tracker, ...], BeforeValidator(listed)] = ()
    """Each is put into the image. Keys are secrets of the stack (WANDB_API_KEY), addresses are
    `env:` (MLFLOW_TRACKING_URI)."""

    project: str = Field("sparkctl", min_length=1)
    """Project or experiment that runs are put into."""


class TrainingConfig(Section):
    """A whole training. Frozen; unknown keys are errors."""

    model: ModelConfig
    method: Method = Lora(kind="lora")
    data: Data
    optim: Optim = Optim()
    parallel: Parallel = Parallel()
    loop: Loop = Loop()
    checkpoint: Checkpoint = Checkpoint()
    tracking: Tracking = Tracking()

    @property
    def never_sharded(self) -> str | None:
        """Why FSDP2 cannot shard a base that is trained this way; None: it can."""
        if isinstance(self.method, Full) and self.optim.name == "adamw_8bit":
            return "bitsandbytes cannot update sharded weights"
        return never_sharded(self.method)

    @model_validator(mode="after")
    def _fits_together(self) -> "TrainingConfig":
        if self.parallel.strategy == "sharded" and (reason := self.never_sharded):
            raise ValueError(f"parallel.strategy cannot be sharded: {reason}")
        if self.loop.compares_evaluations and not self.loop.eval_every:
            raise ValueError("loop: keep best and patience compare evaluations: set eval_every")
        room = self.loop.tokens_per_pass
        if room is not None and room < self.data.max_length:
            raise ValueError(
                f"loop.tokens_per_pass {room} is less than data.max_length "
                f"{self.data.max_length}: the longest row would not fit"
            )
        if self.checkpoint.adapter_every and isinstance(self.method, Full):
            raise ValueError("checkpoint.adapter_every: full fine-tuning makes no adapter")
        return self
