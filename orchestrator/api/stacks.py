"""The stacks that sparkctl ships: what each is, its text, a copy of it."""

import os
from contextlib import suppress
from pathlib import Path

from orchestrator import assets
from orchestrator.errors import SpecError
from orchestrator.runs.base_model import known_here
from orchestrator.runs.forecast import forecast
from orchestrator.spec.base import API_VERSION
from orchestrator.spec.cluster import ClusterSpec, NodeSpec
from orchestrator.spec.load import load_stack
from orchestrator.spec.shipped import shipped_text, stack_names
from orchestrator.spec.stack import StackSpec
from orchestrator.spec.stack_report import StackReport, StacksReport
from orchestrator.stack.ranks import placeholder_ranks

__all__ = ["StackReport", "StacksReport", "copy", "shipped", "shipped_text", "stack_names"]


def shipped() -> StacksReport:
    """All of them, by name."""
    return StacksReport(stacks=tuple(_report(load_stack(name)) for name in stack_names()))


def _report(stack: StackSpec) -> StackReport:
    config = stack.training
    return StackReport(
        name=stack.name,
        description=stack.description,
        model=config.model.name if config else None,
        method=config.method.kind if config else None,
        nodes_min=stack.nodes.min,
        nodes_max=stack.nodes.max,
        memory_bytes=_memory(stack),
    )


def copy(name: str, file: Path | None = None, *, force: bool = False) -> Path:
    """Write a stack to `file`, default NAME.yaml here, and return where. Raises SpecError."""
    text = shipped_text(name)
    place = file or Path(f"{name}.yaml")
    if place.is_dir():
        place /= f"{name}.yaml"
    if place.suffix not in (".yaml", ".yml"):
        raise SpecError(
            f"{place}: the name of a stack file ends in .yaml",
            resolution=f"`train` knows a file from a name by that: {place}.yaml",
        )
    try:
        _write(place, _schema_line() + text, force)
    except FileExistsError:
        raise SpecError(
            f"{place}: there is such a file already",
            resolution="Name another one, or add --force to replace it.",
        ) from None
    except OSError as error:
        raise SpecError(f"{place}: cannot be written: {error.strerror}") from None
    return place


def _write(place: Path, text: str, force: bool) -> None:
    """Whole or not at all."""
    beside = place.with_name(f".{place.name}.{os.getpid()}")
    try:
        beside.write_text(text, encoding="utf-8")
        if force:
            beside.replace(place)
        else:
            place.hardlink_to(beside)  # refuses what is there, also a link that leads nowhere
    finally:
        with suppress(OSError):
            beside.unlink()


def _schema_line() -> str:
    """Editors complete and check keys by it; nothing where the schemas are not installed."""
    schema = assets.folder("docs").joinpath("schema", "stack.json")
    return f"# yaml-language-server: $schema={schema}\n" if schema.is_file() else ""


def _memory(stack: StackSpec) -> int | None:
    """Bytes that each of the nodes takes at most; None where the model's shape is not known.

    Of two Sparks, or as many as the stack needs: more share a sharded base.
    """
    nodes = [NodeSpec(name=f"spark-{number}") for number in range(max(2, stack.nodes.min))]
    sparks = ClusterSpec(apiVersion=API_VERSION, kind="Cluster", name="sparks", nodes=nodes)
    expected = forecast(stack, placeholder_ranks(sparks, stack), None, known_here(stack).shape)
    return expected.memory.peak if expected else None
