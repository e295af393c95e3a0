"""The environment variables of the container, read once and checked."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from training.contract.errors import ConfigurationError
from training.contract.files import CHECKPOINTS
from training.contract.redactor import secrets_dir

MEMORY_FLOOR = "SPARKCTL_MEMORY_FLOOR"
"""The share of memory that the supervisor keeps free, for the rank that it starts."""
NONCE = "SPARKCTL_NONCE"
"""The secret that all ranks of a run have, and nobody else."""


@dataclass(frozen=True)
class RunEnvironment:
    """Who this process is, according to the controller (`SPARKCTL_*`) and to the launcher.

    `rank` and `world_size` come from the controller, `launched_rank`, `launched_world_size` and
    `local_rank` from the launcher (`RANK`, `WORLD_SIZE`, `LOCAL_RANK`; alone in the world without).
    """

    run_id: str
    nonce: str
    node: str
    rank: int
    world_size: int
    run_dir: Path
    cache_dir: Path
    data_dir: Path
    launched_rank: int
    launched_world_size: int
    local_rank: int
    memory_floor: float = 0.0
    """Share of the node's memory that the supervisor keeps free."""

    @property
    def has_checkpoint(self) -> bool:
        """Whether an attempt before this one has saved something, whole or not."""
        return any((self.run_dir / CHECKPOINTS).glob("rank*/*"))

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> "RunEnvironment":
        """Raise `ConfigurationError` for a missing variable, a bad number or a lonely launch.

        Whether launcher and controller agree otherwise is for `training.ranks.group_check`, which
        fails on every rank: one that exited alone would leave the others waiting.
        """
        env = cls(
            run_id=text_of(environ, "SPARKCTL_RUN_ID"),
            nonce=nonce_of(environ),
            node=text_of(environ, "SPARKCTL_NODE"),
            rank=_number(environ, "SPARKCTL_RANK"),
            world_size=_number(environ, "SPARKCTL_WORLD_SIZE"),
            run_dir=Path(text_of(environ, "SPARKCTL_RUN_DIR")),
            cache_dir=Path(text_of(environ, "SPARKCTL_CACHE_DIR")),
            data_dir=Path(text_of(environ, "SPARKCTL_DATA_DIR")),
            launched_rank=_number(environ, "RANK", "0"),
            launched_world_size=_number(environ, "WORLD_SIZE", "1"),
            local_rank=_number(environ, "LOCAL_RANK", "0"),
            memory_floor=_share(environ, MEMORY_FLOOR),
        )
        # The classic silent failure: N launchers that know nothing of each other train N models
        # and all exit 0.
        if env.launched_world_size == 1 < env.world_size:
            raise ConfigurationError(
                "group_mismatch",
                f"the launcher started {env.node} alone, but the run has {env.world_size} ranks",
                "num_machines and num_processes of the accelerate config must be the number of "
                "nodes.",
            )
        return env


def rank_of(environ: Mapping[str, str]) -> int:
    """The rank to put into events before anything is checked; 0 when none is set."""
    text = environ.get("SPARKCTL_RANK") or environ.get("RANK") or "0"
    return int(text) if text.isdecimal() else 0


def nonce_of(environ: Mapping[str, str]) -> str:
    """What proves that a process belongs to this run. Raises `ConfigurationError` without one."""
    file = secrets_dir(environ) / NONCE
    try:
        nonce = file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        nonce, why = "", getattr(error, "strerror", None) or "it is not text"
    else:
        why = "it is empty"
    if nonce:
        return nonce
    raise ConfigurationError(
        "environment_invalid",
        f"the secret {file} cannot be read: {why}",
        "Ranks are started by sparkctl, which gives them this secret.",
    )


def text_of(environ: Mapping[str, str], name: str) -> str:
    """The value of a variable that every rank has. Raises `ConfigurationError` without one."""
    if value := environ.get(name, ""):
        return value
    raise ConfigurationError(
        "environment_invalid",
        f"the environment variable {name} is not set",
        "Ranks are started by sparkctl, which sets every SPARKCTL_* variable.",
    )


def _share(environ: Mapping[str, str], name: str) -> float:
    value = environ.get(name) or "0"
    with suppress(ValueError):
        if 0 <= float(value) < 1:
            return float(value)
    raise ConfigurationError(
        "environment_invalid", f"{name} must be a number from 0 to below 1, not {value!r}"
    )


def _number(environ: Mapping[str, str], name: str, default: str | None = None) -> int:
    value = environ.get(name) or default or text_of(environ, name)
    if value.isdecimal():
        return int(value)
    raise ConfigurationError("environment_invalid", f"{name} must be a whole number, not {value!r}")
