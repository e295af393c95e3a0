"""How a run ended, for people. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from orchestrator.stack.tasks import DONE, Task
from training.contract.events import Result
from training.contract.verdict import Verdict


@dataclass(frozen=True)
class Outcome:
    """The end of a run."""

    run: str
    state: str
    """succeeded, failed, stopped, broken."""
    brief: str
    details: str | None = None
    resolution: str | None = None
    results: tuple[Result, ...] = ()
    """Of every rank that reported one."""
    over: bool = True
    """Whether all its containers were seen to have ended, or are about to."""

    @property
    def judged(self) -> bool:
        """Whether there is a verdict of the supervisors."""
        return self.state != "broken"

    @property
    def succeeded(self) -> bool:
        """The ranks have proved it."""
        return self.state == "succeeded"


def believed(verdicts: Mapping[int, Verdict], *, first_is_away: bool = False) -> Verdict | None:
    """Of the verdicts that ranks have on their nodes: rank 0's, else any that is no success.

    Supervisors report the same everywhere, but a node speaks only for itself: only rank 0, which
    has messages from all of them, can report that all have succeeded. `first_is_away`: its node was
    not read.
    """
    if 0 in verdicts:
        return verdicts[0]
    ordered = [verdicts[rank] for rank in sorted(verdicts)]
    return next((v for v in ordered if first_is_away or v.state != "succeeded"), None)


def outcome_of(
    verdict: Verdict, results: Iterable[Result] = (), missing: Iterable[str] = ()
) -> Outcome:
    """The outcome of the supervisors' verdict (docs/runs.md). `missing`: what the swarm lacks."""
    run, state = verdict.run, verdict.state
    resume = f"`sparkctl runs resume {run}` resumes from the last checkpoint."
    if state == "succeeded":
        brief = f"{state} ({verdict.message})" if verdict.message else state
        return Outcome(run, state, brief, results=tuple(results))
    if state == "stopped":
        return Outcome(run, state, f"stopped at step {verdict.step}", resolution=resume)
    status = "" if verdict.exit_code is None else f" (exit code {verdict.exit_code})"
    where = f"rank {verdict.rank} on {verdict.node}" if verdict.node else f"rank {verdict.rank}"
    return Outcome(
        run,
        state,
        f"{where} failed at step {verdict.step}{status}: {verdict.message}",
        details="\n".join((*missing, *verdict.tail)) or None,
        resolution=f"{verdict.help}\n{resume}" if verdict.help else resume,
    )


def broken(
    run: str, nodes: Mapping[int, str], tasks: Iterable[Task], missing: Iterable[str] = ()
) -> Outcome:
    """The outcome without a verdict: what Swarm reports of the rank that ended, or never began.

    First comes who died, whatever the machines' clocks say; then who never started; then who ended
    well, though nobody knows of it.
    """
    known = list(tasks)
    dead = [task for task in known if task.state in DONE - {"complete"}]
    waiting = [task for task in known if task.state not in DONE | {"running"}]
    ended = [task for task in known if task.state == "complete"]
    details = "\n".join(missing) or None
    over = bool(known) and all(task.state in DONE for task in known)
    if not (dead or waiting or ended):
        brief = "its services were removed"
        return Outcome(run, "broken", brief, details, _look(run), over=over)
    first = min(dead or waiting or ended, key=lambda task: task.at or "~")
    code = "" if first.exit_code is None else f" (exit code {first.exit_code})"
    end = "" if over else f"\nIt may still start; end it: sparkctl runs stop {run}"
    return Outcome(
        run,
        "broken",
        f"rank {first.rank} on {nodes.get(first.rank, '?')} {first.state}{code}: "
        f"{first.error or 'no reason given'}",
        details,
        resolution=_look(run) + end,
        over=over,
    )


def _look(run: str) -> str:
    return f"`sparkctl runs logs {run}` has what the ranks wrote."
