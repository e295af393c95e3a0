"""What `sparkctl data check` shows, and `train --dry-run` of a sample."""

from collections.abc import Iterator

from rich.console import Console
from rich.text import Text

from orchestrator.spec.data_report import BatchesPart, DataReport, LengthPart, SamplePart
from orchestrator.ui.console import PlainConsole
from orchestrator.ui.labelled import show_labelled
from training.contract.counts import sentence

_BAR = 40
"""Characters of the longest bar."""
_LINES, _LINE = 40, 200
"""Of a sample: the rest is said to be there."""
_COLUMNS = 12
_OPEN, _CLOSE = "⟦", "⟧"
"""Around what is learned: colours alone are lost in a file."""


def show_data(report: DataReport, console: PlainConsole) -> None:
    """The verdict, what was counted, lengths, and one sample."""
    show_labelled(_lines(report), console)
    if report.sample is not None:
        show_sample(report.sample, console)


def show_sample(sample: SamplePart, console: Console) -> None:
    """As the model reads it; what it learns stands between marks, and in colour."""
    console.print(f"sample    {sample.where}: what is learned stands between {_OPEN} and {_CLOSE}")
    lines = _marked(sample).split("\n")
    for line in lines[:_LINES]:
        console.print(line if len(line) <= _LINE else _shortened(line), soft_wrap=True)
    if len(lines) > _LINES:
        console.print(f"… and {len(lines) - _LINES} more lines")


def _lines(report: DataReport) -> Iterator[tuple[str, Text | str]]:
    if report.usable:
        yield "verdict", Text.assemble(("can be trained on", "bold green"))
    else:
        yield "verdict", Text.assemble(("cannot be trained on", "bold red"), f": {report.problem}")
    if report.remedy:
        yield "", report.remedy
    columns = ", ".join(report.columns[:_COLUMNS]) + (", …" if report.columns[_COLUMNS:] else "")
    kind = f"{report.kind_of_rows}, of " if report.kind_of_rows else ""
    yield "data", f"{report.data}: {kind}{columns}" if columns else report.data
    if report.counts.rows:
        yield "counted", sentence(report.counts.model_copy(update={"bad_places": ()}))
        yield from _tokens(report)
    yield from (("bad", place) for place in _other_faults(report))
    if report.lengths:
        yield (
            "length",
            f"median {report.median:,} tokens; cut at data.max_length, {report.max_length:,}",
        )
        yield from (("", line) for line in _bars(report.lengths))
    if report.batches is not None:
        passes = f"about {report.batches.passes:,} passes an epoch, of all nodes together"
        yield "batches", f"{batches_line(report.batches)}; {passes}"
    if report.learned_by:
        yield "learned", report.learned_by


def batches_line(part: BatchesPart) -> str:
    """What a pass has of such rows."""
    of = "" if part.room is None else f" of {part.room:,}"
    rows, tokens = f"{part.rows_per_pass:.1f} rows", f"{part.tokens_per_pass:,.0f}{of} tokens"
    return f"{part.batching}: {rows} and {tokens} a pass"


def _other_faults(report: DataReport) -> Iterator[str]:
    """The first bad row of each kind, but for what the verdict has said."""
    said = report.problem or ""
    for place in report.counts.bad_places:
        fault = place.partition(": ")[2]
        if fault not in said:
            yield place
            said += fault


def _tokens(report: DataReport) -> Iterator[tuple[str, str]]:
    if report.exact:
        yield "tokens", f"exact: the tokenizer of {report.tokenizer}"
    else:
        yield "tokens", f"about right, not exact: {report.not_exact_because}"


def _bars(lengths: tuple[LengthPart, ...]) -> Iterator[str]:
    most = max(part.sequences for part in lengths)
    width = max(len(f"{part.tokens_at_most:,}") for part in lengths)
    for part in lengths:
        bar = "█" * max(round(_BAR * part.sequences / most), 1 if part.sequences else 0)
        yield f"to {part.tokens_at_most:>{width},}  {bar} {part.sequences:,}".rstrip()


def _marked(sample: SamplePart) -> Text:
    text = Text()
    for segment in sample.segments:
        if segment.learned:
            text.append(f"{_OPEN}{segment.text}{_CLOSE}", "bold green")
        else:
            text.append(segment.text)
    return text


def _shortened(line: Text) -> Text:
    rest = len(line) - _LINE
    return Text.assemble(line[:_LINE], f" … and {rest:,} more characters")
