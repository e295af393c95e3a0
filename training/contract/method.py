"""How the model learns: all of its weights, or adapters on some of its layers (LoRA)."""

import re
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from training.contract.names import MODEL, fit_model
from training.contract.section import Section
from training.contract.sentences import listed

ALL_LINEAR = "all-linear"
"""The target that stands for every linear layer of the language model but its output layer and
routers, and for stacked experts where peft can adapt them."""

CHANGES_BASE = ("pissa", "olora")
"""Beginnings of the `init`s that take from the base what they put into the adapter."""

_INIT = r"default|gaussian|orthogonal|olora|pissa(_niter_[0-9]{1,3})?"
_INITS = "default, gaussian, orthogonal, pissa, pissa_niter_16, olora"
_OTHER_INITS = {
    "eva": "it reads data before the training begins",
    "corda": "it reads data before the training begins",
    "lora_ga": "it needs gradients before the training begins",
    "loftq": "it quantizes the base itself; use method.kind qlora",
    "mica": "half of its adapter is never trained",
}
"""peft's other methods, and why they are not offered."""

_PLAIN_NAME = re.compile(r"[\w.-]+")

Names = Annotated[tuple[str, ...], BeforeValidator(listed)]


class Full(Section):
    """All weights are trained, in float32: 16 bytes a weight with gradient and AdamW's averages."""

    kind: Literal["full"]
    """The method. bfloat16 would round most updates to nothing, so weights are never held in it."""


class _Adapter(Section):
    r: int = Field(8, ge=1, le=1024)
    """Rank of the adapter matrices."""

    alpha: int = Field(16, ge=1)
    """Scale: the update is multiplied by alpha / r."""

    rslora: bool = False
    """Multiply by alpha / sqrt(r) instead (rank-stabilised): large ranks learn as fast as small."""

    dropout: float = Field(0.0, ge=0, lt=1)
    """Share of adapter inputs dropped while training."""

    targets: Names = Field((ALL_LINEAR,), min_length=1)
    """The linear layers that get an adapter: `all-linear`, or names such as q_proj or
    self_attn.q_proj, or regular expressions of whole names.

    `all-linear`: every one of the language model but the output layer and routers; experts that are
    one stack of weights too, unless dropout, DoRA or `init` rule it out.
    """

    exclude: Names = ()
    """What gets none although `targets` names it: names of layers, of what they are in (experts,
    layers.0), or regular expressions of whole names."""

    modules_to_save: Names = ()
    """Modules that are trained whole, and saved with the adapter: embed_tokens, lm_head, norm.
    Needs ddp."""

    init: str = "default"
    """How the matrices begin: `default` (B is 0), `gaussian`, `orthogonal`, or from the base's own
    weights: `pissa`, `pissa_niter_16` (faster), `olora`, which need ddp.

    What these three take from the base is subtracted again in the saved adapter, which therefore
    has the rank 2 r and fits the base as it is.
    """

    init_from: Annotated[str | None, Field(pattern=MODEL), BeforeValidator(fit_model)] = None
    """An adapter to start from: a Hub id `org/name`, or an absolute folder, such as the `adapter`
    of an earlier run. r, alpha, rslora, dora and the adapted layers must be the same."""

    dora: bool = False
    """Train the length of each weight's columns apart from their direction (DoRA). Needs ddp."""

    @field_validator("targets", "exclude", "modules_to_save")
    @classmethod
    def _each_can_match(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            try:
                re.compile(name)
            except re.error as error:
                raise ValueError(f"{name!r} is no regular expression: {error}") from None
            if not name.strip():
                raise ValueError("an empty name matches nothing")
        return names

    @field_validator("init")
    @classmethod
    def _known_init(cls, init: str) -> str:
        if why := _OTHER_INITS.get(init.lower()):
            raise ValueError(f"{init} is not offered: {why}. Known: {_INITS}")
        if not re.fullmatch(_INIT, init):
            raise ValueError(f"one of {_INITS} is expected")
        return init

    @model_validator(mode="after")
    def _fit_together(self) -> "_Adapter":
        if self.init == "orthogonal" and self.r % 2:
            raise ValueError("init orthogonal needs an even r")
        if self.init.startswith(CHANGES_BASE) and self.dora:
            raise ValueError(f"init {self.init} changes the base, of which DoRA keeps the lengths")
        if self.init_from is not None and self.init != "default":
            raise ValueError("init and init_from exclude each other: an adapter begins in one way")
        if self.init_from is not None and self.init_from.startswith("builtin:"):
            raise ValueError("init_from names an adapter: org/name on the Hub, or a folder")
        return self


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

    @model_validator(mode="after")
    def _base_stays(self) -> "Qlora":
        if self.init.startswith(CHANGES_BASE):
            raise ValueError(
                f"init {self.init} changes the base, and 4 bits would round what is left of it"
            )
        return self


Method = Annotated[Full | Lora | Qlora, Field(discriminator="kind")]


def is_pattern(name: str) -> bool:
    """Whether an entry of `targets` or `exclude` is a regular expression, not a plain name."""
    return _PLAIN_NAME.fullmatch(name) is None


def never_sharded(method: Full | Lora | Qlora) -> str | None:
    """Why FSDP2 cannot shard a base that is trained this way; None: it can."""
    if isinstance(method, Qlora):
        return "it does not keep the scales of 4-bit weights (bitsandbytes#1945)"
    if isinstance(method, Full):
        return None
    if method.dora:
        return "DoRA needs whole weights"
    if method.init.startswith(CHANGES_BASE):
        return f"init {method.init} needs whole weights"
    if method.modules_to_save:
        return "modules_to_save are trained as whole weights"
    return None


def no_experts(method: Lora | Qlora) -> str | None:
    """Why peft cannot adapt stacks of experts with these settings."""
    for rules_out, setting in (
        (method.dropout > 0, "dropout"),
        (method.dora, "dora"),
        (method.init.startswith((*CHANGES_BASE, "orthogonal")), f"init {method.init}"),
    ):
        if rules_out:
            return f"experts, which {setting} rules out"
    return None
