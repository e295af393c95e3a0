"""A run as its nodes and Swarm report it; or one whose records cannot be trusted."""

from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.errors import RunError
from orchestrator.runs.seen import RankSeen
from orchestrator.runs.state import LIVE, state_of
from orchestrator.runs.verdict import believed
from orchestrator.stack.tasks import Task
from training.contract.record import RankPlace, RunRecord
from training.contract.verdict import Attempt, Verdict


@dataclass(frozen=True)
class Run:
    """A run as the cluster reports it."""

    record: RunRecord
    """Folders are those of the nodes themselves, not what a file names."""
    ranks: Mapping[int, RankSeen]
    """Those whose nodes were read."""
    tasks: tuple[Task, ...] | None
    """The newest Swarm task of each rank; none when the services are gone, None when Swarm could
    not be asked."""
    bytes: Mapping[str, int]
    """Size of the run folder by node."""
    legacy: bool = False
    """The record lies where the run's container can write: of an older sparkctl."""

    @property
    def name(self) -> str:
        """Unique on the cluster."""
        return self.record.run

    @property
    def verdict(self) -> Verdict | None:
        """How it ended, if it has."""
        verdicts = {rank: seen.verdict for rank, seen in self.ranks.items() if seen.verdict}
        return believed(verdicts, first_is_away=0 not in self.ranks)

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """As rank 0 reports them, which sees all."""
        return self.ranks[0].attempts if 0 in self.ranks else ()

    @property
    def state(self) -> str:
        """One word: `orchestrator.runs.state`."""
        verdict = self.verdict
        return state_of(verdict.state if verdict else None, self.tasks, len(self.attempts))

    @property
    def live(self) -> bool:
        """Whether it holds GPUs, or is about to."""
        return self.state in LIVE

    def place(self, rank: int) -> RankPlace:
        """Where this rank is. Raises RunError for one that it does not have."""
        places = self.record.ranks
        if rank not in range(len(places)):
            has = "rank 0 alone" if len(places) == 1 else f"ranks 0 to {len(places) - 1}"
            raise RunError(f"{self.name} has no rank {rank}", resolution=f"It has {has}.")
        return places[rank]


@dataclass(frozen=True)
class Unreadable:
    """A run whose records cannot be trusted. It can be deleted, by its name."""

    name: str
    why: str
    bytes: Mapping[str, int]
    """Size of its folder, by the nodes that have one."""
    live: bool = False
    """Whether Swarm still runs something of it."""

    @property
    def state(self) -> str:
        """As `runs list` shows it."""
        return "unreadable"
