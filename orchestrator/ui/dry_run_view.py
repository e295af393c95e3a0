"""What `train --dry-run` says in a dozen lines, and with `--render` the files."""

from collections.abc import Iterator

from rich.console import Console
from rich.text import Text

from orchestrator.runs.outlook import (
    DiskPart,
    DownloadPart,
    DryRun,
    FindingPart,
    MemoryPart,
    TimePart,
)
from orchestrator.spec.data_report import DataReport
from orchestrator.ui import figures
from orchestrator.ui.data_view import batches_line, show_sample
from orchestrator.ui.labelled import show_labelled
from orchestrator.ui.plain import one_line, visible
from training.contract.counts import sentence
from training.plan.memory import GIB

_COLOURS = {"fits": "bold green", "does not fit": "bold red", "not known": "bold yellow"}
_HOW = {
    "sharded": "the base is sharded over the ranks (FSDP2)",
    "ddp": "every rank has a whole copy (DDP)",
}
_MOST_TERMS = 4
_LEAST = GIB // 20
"""Bytes that are worth a number."""


def show_dry_run(found: DryRun, console: Console) -> None:
    """The verdict first, then what it stands on."""
    show_labelled([*_verdict(found), *_lines(found)], console)
    if found.data is not None and found.data.sample is not None:
        show_sample(found.data.sample, console)
    console.print("Rendered files: --render")


def _verdict(found: DryRun) -> Iterator[tuple[str, Text | str]]:
    answer = Text(found.verdict.answer, style=_COLOURS[found.verdict.answer])
    yield "verdict", Text.assemble(answer, f": {one_line(found.verdict.why)}")
    if found.verdict.remedy:
        settings = " ".join(f"--set {setting}" for setting in found.verdict.remedy)
        yield "", f"it would fit with {settings}"
    if found.verdict.nodes:
        yield "", f"it would fit on {found.verdict.nodes} such nodes as it is"


def expected_lines(found: DryRun) -> Iterator[str]:
    """What a run says of itself when it starts: whether it fits, its time, what it fetches."""
    yield f"{found.verdict.answer}: {found.verdict.why}"
    yield from (f"{label}: {text}" for label, text in _lines(found) if label in _EXPECTED)


def rendered_text(found: DryRun) -> str:
    """YAML: what would be deployed, with what is said of it as comments before."""
    said = [*found.powers]
    said += [f"secret {name}: {where}" for name, where in found.secrets.items()]
    said.append(f"docker stack deploy --resolve-image never -c - {found.run}")
    said += [f"{label}: {text}" for label, text in _lines(found) if label in _ESTIMATES]
    said.append(f"image {found.image.tag}: built on every node from {found.image.base}")
    comments = [f"# {one_line(line)}" for line in said]
    files = [f"---\n# config {one.name}\n{one.content}" for one in found.rendered.configs]
    return "\n".join([*comments, visible(found.rendered.compose), *map(visible, files)])


_EXPECTED = ("strategy", "memory", "time", "download", "disk")
_ESTIMATES = ("memory", "time", "engine")


def _lines(found: DryRun) -> Iterator[tuple[str, str]]:
    yield "run", f"{found.stack}: {found.description}"
    ranks = (f"{rank.rank} {rank.node} ({_place(rank.address)})" for rank in found.ranks)
    yield "ranks", ", ".join(ranks)
    yield "image", f"{found.image.tag} on {found.image.base}{_to_build(found)}"
    if found.memory is not None:
        yield "strategy", f"{found.memory.strategy}: {_HOW[found.memory.strategy]}"
        yield "memory", _memory(found.memory)
    if found.download is not None:
        yield "time", _time(found.time)
        yield "download", _download(found.download)
    yield "disk", _disk(found.disk)
    if found.data is not None:
        yield "data", _data(found.data)
        if found.data.batches is not None:
            yield "batches", f"of such rows {batches_line(found.data.batches)}"
    for name, source in found.secrets.items():
        yield "secret", f"{name} {source}"
    for power in found.powers:
        yield "may do", power
    yield from (("engine", note) for note in found.notes)
    yield from (("check", _finding(one)) for one in found.findings if one.stops)
    yield from (("note", _finding(one)) for one in found.findings if not one.stops)


def _place(address: str) -> str:
    return "address not known" if address.startswith("<") else address


def _to_build(found: DryRun) -> str:
    image = found.image
    if image.to_build is None:
        return ""
    if not image.to_build:
        return ", there on all nodes"
    pull = f"; the base is pulled on {', '.join(image.to_pull)} first" if image.to_pull else ""
    return f", to be built on {', '.join(image.to_build)}{pull}"


_AGAIN: dict[bool | str, str] = {
    False: "activations kept",
    "selective": "cheap activations computed again",
    True: "activations computed again",
}


def _memory(part: MemoryPart) -> str:
    there = part.smallest_node_bytes
    of = "" if there is None else f" of {there / GIB:.0f}"
    named = [term for term in part.terms_bytes.items() if term[1] >= _LEAST][:_MOST_TERMS]
    terms = [f"{name} {size / GIB:.1f}" for name, size in named]
    rest = part.peak_bytes - sum(size for _, size in named)
    if rest >= _LEAST:
        terms.append(f"other {rest / GIB:.1f}")
    again = _AGAIN[part.gradient_checkpointing]
    return f"at most {part.peak_bytes / GIB:.1f}{of} GiB a node, {again}: {', '.join(terms)}"


def _time(part: TimePart | None) -> str:
    depends = "depends on how many rows the data has (set training.loop.max_steps)"
    if part is None:
        return f"not known: it {depends}"
    pace = f"{part.tokens_per_second or 0:,.0f} tokens/s on Sparks"
    if part.steps_at_most is None:
        return f"{pace} (estimated, not measured); how long {depends}"
    amount = f"{part.steps_at_most:,} steps, {part.tokens_at_most:,} tokens at most"
    if part.seconds_at_most is None:
        return f"not known: {amount}, and no estimate of the speed"
    took = figures.duration(part.seconds_at_most)
    return f"at most about {took}: {amount}, {pace} (estimated, not measured)"


def _download(part: DownloadPart) -> str:
    said = list[str]()
    if part.model is not None and part.nodes == []:
        said.append("the model is there on all nodes")
    elif part.model is not None:
        size, nodes = part.bytes_per_node, part.nodes
        where = "unless it is there" if nodes is None else f"on {', '.join(nodes)}"
        said.append(f"{size / 1e9:.0f} GB a node, {where}" if size else "model: size not known")
    if part.data is not None:
        said.append(f"data ({part.data}): size not known")
    return "; ".join(said) or "none: model and data need none"


def _data(report: DataReport) -> str:
    """Of its first rows."""
    if report.usable:
        return f"{report.data}, the first rows: {sentence(report.counts)}"
    return f"{report.data} cannot be trained on: {report.problem}. {report.remedy or ''}".rstrip()


def _disk(part: DiskPart) -> str:
    needed = max(part.needed_bytes.values())
    free = (
        f"{figures.size(min(sizes.values()))} on {node}"
        for node, sizes in part.free_bytes.items()
        if sizes
    )
    there = ", ".join(free) or "not known"
    return f"at least {figures.size(needed)} a node, and checkpoints; free: {there}"


def _finding(one: FindingPart) -> str:
    return f"{one.check}: {one.node}: {one.message}"
