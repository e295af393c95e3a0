"""What a full run came to, for docs/reliability.md."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from tests.faults.trial import Outcome
from tests.support.clusters import ROOT

DOCUMENT = ROOT / "docs" / "reliability.md"


@dataclass(frozen=True)
class Run:
    """Where and when, and how many trials a whole run has."""

    engine: str
    day: date
    seconds: float
    trials: int


def text(outcomes: Iterable[Outcome], run: Run) -> str:
    """One row for each fault, command and way."""
    rows: dict[tuple[str, str, str], list[Outcome]] = {}
    for outcome in outcomes:
        trial = outcome.trial
        rows.setdefault((trial.fault.name, trial.command, trial.way), []).append(outcome)
    done = sum(len(found) for found in rows.values())
    share = "all" if done == run.trials else f"{done}, chosen at random, of {run.trials}"
    machines = f"two machines with Docker {run.engine}"
    lines = [
        f"Last run: {run.day}, {share} trials in {run.seconds / 60:.0f} minutes, on {machines}.",
        "",
        "| fault | during | then | points | lost |",
        "|---|---|---|---|---|",
    ]
    for (fault, command, way), found in sorted(rows.items()):
        lost = sum(outcome.lost is not None for outcome in found)
        lines.append(f"| {fault} | `{command}` | `{way}` | {len(found)} | {lost} |")
    lost = sum(outcome.lost is not None for found in rows.values() for outcome in found)
    lines.append(f"| all | | | {done} | {lost} |")
    return "\n".join(lines) + "\n"


def put(document: str, table: str) -> str:
    """The document with the table of the last run in its place."""
    marked = f"<!-- faults -->\n{table}<!-- /faults -->"
    written, count = re.subn(
        r"<!-- faults -->\n.*?<!-- /faults -->", lambda _: marked, document, flags=re.DOTALL
    )
    assert count == 1, "the document has one place for the table"
    return written


def write(table: str) -> None:
    """Put the table into docs/reliability.md."""
    DOCUMENT.write_text(put(DOCUMENT.read_text(encoding="utf-8"), table), encoding="utf-8")
