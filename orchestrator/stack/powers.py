"""What a recipe can do beyond training: a stack file is code. Pure.

It may name files and variables of this computer, programs and addresses for rank 0, the image that
all of it runs in, and variables that change what runs there. Whoever takes a recipe from elsewhere
should have seen these lines. A new kind of power (mounts, scripts, requirements) is one function
more in `_KINDS`.
"""

import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from orchestrator.spec.document import KeyPath
from orchestrator.spec.load import Recipe
from orchestrator.spec.stack import StackSpec

_LOGIN = "HF_TOKEN"
"""The one secret that every recipe may name: it goes to the Hub alone, unless another power
names another place."""

_HARMLESS = re.compile(
    r"(NCCL|TORCH_NCCL|GLOO)_(?!\w*(PLUGIN|FILE|PATH|DIR|COMM_ID|NET$))\w+"
    r"|UCX_(NET_DEVICES|TLS|LOG_LEVEL)"
    r"|(OMP|MKL|OPENBLAS|NUMEXPR)_NUM_THREADS|TOKENIZERS_PARALLELISM"
    r"|CUDA_(LAUNCH_BLOCKING|DEVICE_MAX_CONNECTIONS|VISIBLE_DEVICES)"
    r"|PYTORCH_(CUDA_)?ALLOC_CONF|TORCH_DISTRIBUTED_DEBUG|TORCH_CPP_LOG_LEVEL"
    r"|ACCELERATE_(LOG_LEVEL|DEBUG_MODE)|TRANSFORMERS_VERBOSITY|(HF_HUB|TRANSFORMERS)_OFFLINE"
    r"|HF_HUB_(DISABLE_TELEMETRY|DOWNLOAD_TIMEOUT|ETAG_TIMEOUT)|TZ|LANG|LC_[A-Z]+"
)
"""Variables for tuning and logging. All others may change what is loaded (LD_PRELOAD, PYTHONPATH),
or where data and tokens go (HF_ENDPOINT, HTTPS_PROXY, MLFLOW_TRACKING_URI)."""


@dataclass(frozen=True)
class Power:
    """One thing that a recipe can do."""

    key: KeyPath
    """Its key in the stack."""
    line: str
    """Description for people."""


def powers_of(stack: StackSpec) -> tuple[Power, ...]:
    """All of them, in the order of the file's keys."""
    return tuple(power for kind in _KINDS for power in kind(stack))


def to_be_trusted(recipe: Recipe) -> tuple[Power, ...]:
    """The powers that somebody must agree to: neither shipped, nor set with --set."""
    if recipe.shipped:
        return ()
    powers = powers_of(recipe.stack)
    return tuple(p for p in powers if not recipe.document.place(p.key).startswith("--set"))


def _engine(stack: StackSpec) -> Iterator[Power]:
    if stack.engine_folder is not None:
        line = f"engine: everything that runs comes from the folder {stack.engine}"
        yield Power(("engine",), line)


def _script(stack: StackSpec) -> Iterator[Power]:
    if (script := stack.script) is None:
        return
    where = script.folder or f"{script.node_folder} on every node"
    yield Power(("script",), f"script: runs {script.file} of {where}")
    if script.own_accelerate:
        yield Power(("script", "accelerate"), f"script: reads the file {script.accelerate}")
    if script.requirements:
        packages = ", ".join(script.requirements)
        yield Power(("script", "requirements"), f"script: installs {packages} into its image")
    for number, mount in enumerate(script.mounts):
        may = "reads" if mount.read_only else "reads and writes"
        yield Power(("script", "mounts", number), f"script: {may} {mount.source} of every node")


def _image(stack: StackSpec) -> Iterator[Power]:
    if stack.base_image is not None:
        line = f"base image: everything runs in {stack.base_image}"
        yield Power(("base_image",), line)


def _secrets(stack: StackSpec) -> Iterator[Power]:
    for number, secret in enumerate(stack.secrets):
        variable = f"the variable {secret.name} of this computer"
        if secret.file is not None:
            line = f"secret {secret.name}: reads {variable}, or its file {secret.file}"
        elif secret.name != _LOGIN:
            line = f"secret {secret.name}: reads {variable}"
        else:
            continue
        yield Power(("secrets", number), line)


def _environment(stack: StackSpec) -> Iterator[Power]:
    for name, value in stack.env.items():
        if not _HARMLESS.fullmatch(name):
            yield Power(("env", name), f"env: sets {name}={value}")


def _hooks(stack: StackSpec) -> Iterator[Power]:
    for number, hook in enumerate(stack.gang.hooks):
        if hook.command:
            does = f"runs `{shlex.join(hook.command)}` on rank 0"
        elif hook.url:
            does = f"posts the verdict to {hook.url}"
        else:
            does = f"posts the verdict to the address in the secret {hook.url_secret}"
        yield Power(("gang", "hooks", number), f"hook: {does} when the run has {_or(hook.on)}")


def _or(words: tuple[str, ...]) -> str:
    return " or ".join(words)


_KINDS: tuple[Callable[[StackSpec], Iterator[Power]], ...] = (
    _engine,
    _script,
    _image,
    _secrets,
    _environment,
    _hooks,
)
