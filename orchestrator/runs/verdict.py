"""How a run ended, for people. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.stack.tasks import DONE, Task


@dataclass(frozen=True)
class Verdict:
    """The end of a run."""

    run: str
    state: str
    """succeeded, failed, stopped, broken."""
    brief: str
    details: str | None = None
    resolution: str | None = None
    results: tuple[Mapping[str, Any], ...] = ()
    """The `result` event of every rank."""

    @property
    def judged(self) -> bool:
        """The supervisors have found it; else nobody could."""
        return self.state != "broken"

    @property
    def succeeded(self) -> bool:
        """The ranks have proved it."""
        return self.state == "succeeded"


def told(verdict: Mapping[str, Any], results: Iterable[Mapping[str, Any]] = ()) -> Verdict:
    """What the supervisors have judged: verdict-rank<R>.json (docs/runs.md)."""
    run, state = str(verdict["run"]), str(verdict["state"])
    again = f"`sparkctl runs resume {run}` goes on from the last checkpoint."
    if state == "succeeded":
        return Verdict(run, state, state, results=tuple(results))
    if state == "stopped":
        return Verdict(run, state, f"stopped at step {verdict.get('step')}", resolution=again)
    code = verdict.get("exit_code")
    status = "" if code is None else f" (exit code {code})"
    rank = verdict.get("rank")
    where = f"rank {rank} on {verdict['node']}" if verdict.get("node") else f"rank {rank}"
    remedy = verdict.get("help")
    return Verdict(
        run,
        state,
        f"{where} failed at step {verdict.get('step')}{status}: {verdict.get('message')}",
        details="\n".join(map(str, verdict.get("tail") or [])) or None,
        resolution=f"{remedy}\n{again}" if remedy else again,
    )


def broken(run: str, nodes: Mapping[int, str], tasks: Iterable[Task]) -> Verdict:
    """When no supervisor could judge: what Swarm says of the rank that ended, or never began.

    First comes who died, whatever the machines' clocks say; then who never started; then who ended
    well, though nobody knows of it.
    """
    known = list(tasks)
    dead = [task for task in known if task.state in DONE - {"complete"}]
    waiting = [task for task in known if task.state not in DONE | {"running"}]
    ended = [task for task in known if task.state == "complete"]
    if not (dead or waiting or ended):
        return Verdict(run, "broken", "its services were removed", None, _look(run))
    first = min(dead or waiting or ended, key=lambda task: task.at or "~")
    code = "" if first.exit_code is None else f" (exit code {first.exit_code})"
    return Verdict(
        run,
        "broken",
        f"rank {first.rank} on {nodes.get(first.rank, '?')} {first.state}{code}: "
        f"{first.error or 'no reason given'}",
        resolution=_look(run),
    )


def _look(run: str) -> str:
    return f"`sparkctl runs logs {run}` has what the ranks wrote."
