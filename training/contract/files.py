"""The names of a run's files and folders, in the run folder of every node."""

import re
from dataclasses import dataclass
from typing import ClassVar

RUN_NAME = r"[a-z0-9]([a-z0-9-]{0,35}[a-z0-9])?"
"""A run's name, whole: the recipe's and six digits that make it unique, or one of a person's own.
Docker's names of its files and secrets begin with it, and have room for 37 characters of it."""

RECORD = "run.json"
DEPLOY = "deploy.json"
RECORDS = ".records"
"""Beside the run folders: has a folder for each run, with its record and what was deployed."""
STOP = "stop"
"""Exists once somebody wants the run to stop."""
CHECKPOINTS = "checkpoints"
ADAPTERS = "adapters"
"""Those of rank 0 from the middle of the training, each in a folder step-N."""
DEBUG = "debug"

_NAMES = re.compile(RUN_NAME)


def is_run_name(text: str) -> bool:
    """Whether a run may have this name; only then it may become a part of a path."""
    return _NAMES.fullmatch(text) is not None


@dataclass(frozen=True)
class RankFiles:
    """Names of the files of one rank."""

    rank: int
    any_verdict: ClassVar[str] = "verdict-rank*.json"
    """The verdicts of all ranks, as a shell finds them."""

    @property
    def log(self) -> str:
        """Every line of the rank, with its time."""
        return f"log-rank{self.rank}.txt"

    @property
    def metrics(self) -> str:
        """Its events, a line each."""
        return f"metrics-rank{self.rank}.jsonl"

    @property
    def heartbeat(self) -> str:
        """Its last heartbeat."""
        return f"heartbeat-rank{self.rank}.json"

    @property
    def result(self) -> str:
        """How its last attempt ended."""
        return f"result-rank{self.rank}.json"

    @property
    def attempts(self) -> str:
        """A line for each attempt that began, and for each that ended."""
        return f"attempts-rank{self.rank}.jsonl"

    @property
    def reserve(self) -> str:
        """Room on the disk that is kept for the verdict."""
        return f".reserve-rank{self.rank}"

    @property
    def verdict(self) -> str:
        """How the run ended."""
        return f"verdict-rank{self.rank}.json"
