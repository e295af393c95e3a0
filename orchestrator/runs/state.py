"""One word for how a run stands. Pure."""

from collections.abc import Sequence

from orchestrator.stack.tasks import DONE, Task


def state_of(verdict: str | None, tasks: Sequence[Task] | None, attempts: int) -> str:
    """The verdict is final: `succeeded`, `failed`, `stopped`.

    Without one: `starting` and `running`; `restarting` between two attempts; `broken`: the
    containers ended and no supervisor could report why; `lost`: its services are gone; `unknown`:
    the manager's engine could not be asked (`tasks` is None).
    """
    if verdict is not None:
        return verdict
    if tasks is None:
        return "unknown"
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
