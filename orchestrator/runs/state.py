"""One word for how a run stands. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

DONE = frozenset({"complete", "failed", "rejected", "shutdown", "orphaned", "remove"})
"""States of a Swarm task that is over."""


@dataclass(frozen=True)
class Task:
    """The newest Swarm task of a rank."""

    rank: int
    state: str
    error: str | None = None
    exit_code: int | None = None
    at: str = ""
    """When it came into this state, by its own machine's clock."""


def state_of(verdict: str | None, tasks: Sequence[Task], attempts: int) -> str:
    """The verdict is final: `succeeded`, `failed`, `stopped`.

    Without one: `starting` and `running`; `restarting` between two attempts; `broken`: the
    containers ended and no supervisor could say why; `lost`: its services are gone.
    """
    if verdict is not None:
        return verdict
    if not tasks:
        return "lost"
    states = {task.state for task in tasks}
    if states <= DONE:
        return "broken"
    if states == {"running"}:
        return "running"
    return "restarting" if attempts else "starting"


LIVE = frozenset({"starting", "running", "restarting"})
"""States of a run that holds GPUs, or is about to."""
