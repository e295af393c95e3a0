"""A run in the terminal, from its start to its end: shared by `train` and `runs …`."""

from orchestrator.api.preview import DryRun
from orchestrator.api.runs import (
    Ended,
    Finding,
    ImageLine,
    Run,
    RunEvent,
    Running,
    Runs,
    StartEvent,
    Wanted,
)
from orchestrator.errors import RunError
from orchestrator.ui.console import err, out
from orchestrator.ui.dry_run_view import expected_lines
from orchestrator.ui.logs_view import LinesView
from orchestrator.ui.run_json import print_event
from orchestrator.ui.run_view import RunView, show_verdict


def show_start(event: StartEvent, *, as_json: bool = False) -> None:
    """Print an event of a run that is being started."""
    match event:
        case Finding():
            line = f"note: {event.check}: {event.node}: {event.message}"
            err().print(line, style="yellow")
        case ImageLine():
            err().print(f"  {event.node}  image: {event.line}")
        case DryRun():
            for line in expected_lines(event):
                (err() if as_json else out()).print(line, soft_wrap=True)
        case _:
            (err() if as_json else out()).print(event.line)


def watch(runs: Runs, running: Running, *, as_json: bool) -> None:
    """Follow a run to its end. Raises RunError unless it succeeded."""
    console, record = out(), running.record
    over = False

    def listen(event: RunEvent) -> None:
        nonlocal over
        over = isinstance(event, Ended)
        (print_event if as_json else view.on_event)(event)

    view = RunView(console, record.ranks)
    try:
        if as_json:
            outcome = runs.follow(running, listen)
        else:
            with view:
                outcome = runs.follow(running, listen)
    except KeyboardInterrupt:
        if not over:
            err().line()
            err().print(f"detached; the run continues by itself. {how_to_come_back(record.run)}")
        raise
    if not outcome.succeeded:
        raise RunError(
            f"{record.run}: {outcome.brief}", details=outcome.details, resolution=outcome.resolution
        )
    if not as_json:
        show_verdict(outcome, record.ranks, console)


def follow_lines(runs: Runs, run: Run, wanted: Wanted, *, as_json: bool) -> None:
    """Print the lines of a run as they are written, until it is over: how is no error here."""
    try:
        runs.follow_logs(run, print_event if as_json else LinesView(out(), err()).on_event, wanted)
    except KeyboardInterrupt:
        err().print(f"{run.name}: no longer followed; the run continues by itself")
        raise


def how_to_come_back(run: str) -> str:
    """The commands to follow or end a run that continues by itself."""
    return f"Watch it: sparkctl runs follow {run}   End it: sparkctl runs stop {run}"
