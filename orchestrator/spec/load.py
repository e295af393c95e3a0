"""From file names and options to validated models."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from orchestrator.errors import SpecError
from orchestrator.spec.document import Document, read_document

if TYPE_CHECKING:  # imported when a file has been read: a fault of it is said without them
    from orchestrator.spec.base import Model
    from orchestrator.spec.cluster import ClusterSpec
    from orchestrator.spec.stack import StackSpec

Section = TypeVar("Section", bound="Model | None")


def load_cluster(path: Path) -> "ClusterSpec":
    """Read and check a cluster file. File names in it are relative to the file itself."""
    document = read_document(
        path,
        what="cluster file",
        resolution="Make one: `sparkctl init`. Name another with -f FILE. "
        "`sparkctl lab up` writes one for simulated Sparks; examples/two-sparks.yaml is one.",
    )
    from orchestrator.spec.cluster import ClusterSpec
    from orchestrator.spec.validate import validate

    return _resolve_files(validate(ClusterSpec, document), path)


@dataclass(frozen=True)
class Recipe:
    """A stack, and where it comes from."""

    stack: "StackSpec"
    shipped: bool
    """It came with sparkctl, by its name."""
    document: Document
    """Where each of its keys was written."""


def load_stack(name: str, settings: tuple[str, ...] = ()) -> "StackSpec":
    """Read a stack by name (or by path, when it ends in .yaml) and apply `--set key=value`."""
    return load_recipe(name, settings).stack


def load_recipe(name: str, settings: tuple[str, ...] = ()) -> Recipe:
    """The same, with what is known of its origin."""
    document = read_stack(name)
    from orchestrator.spec.settings import override
    from orchestrator.spec.stack import StackSpec
    from orchestrator.spec.validate import validate

    override(document, settings)
    stack = validate(StackSpec, document)
    if stack.engine_folder is not None:
        by_option = document.place(("engine",)).startswith("--set")
        beside = Path() if by_option else Path(name).parent
        engine = absolute(stack.engine, beside.absolute(), document.place(("engine",)))
        stack = stack.model_copy(update={"engine": engine})
    return Recipe(_with_files_of_script(stack, document, name), _is_shipped(name), document)


def read_stack(name: str) -> Document:
    """The document of a stack, by name or path, as it is written."""
    from orchestrator.spec.shipped import shipped_text, stack_names

    if not _is_shipped(name):
        names = ", ".join(stack_names())
        return read_document(
            Path(name),
            what="stack file",
            resolution=f"Shipped, by name alone: {names}. A file is named with its path.",
        )
    from orchestrator.spec.parse import parse_document

    return parse_document(shipped_text(name), source=f"stacks/{name}.yaml")


def _is_shipped(name: str) -> bool:
    return not name.endswith((".yaml", ".yml"))


def _with_files_of_script(stack: "StackSpec", document: Document, name: str) -> "StackSpec":
    """The same; what its script names on this computer is beside the file, or here by --set."""
    if (script := stack.script) is None:
        return stack
    named = {"folder": script.folder}
    if script.own_accelerate:
        named["accelerate"] = script.accelerate
    files = {}
    for key, value in named.items():
        if value is not None:
            place = document.place(("script", key))
            beside = Path() if place.startswith("--set") else Path(name).parent
            files[key] = absolute(value, beside.absolute(), place)
    return stack.model_copy(update={"script": script.model_copy(update=files)})


def _resolve_files(spec: "ClusterSpec", file: Path) -> "ClusterSpec":
    def resolved(section: Section, *keys: str) -> Section:
        if section is None:
            return section
        named = {key: value for key in keys if (value := getattr(section, key)) is not None}
        beside, place = file.absolute().parent, str(file)
        return section.model_copy(
            update={key: absolute(value, beside, place) for key, value in named.items()}
        )

    nodes = [
        node.model_copy(
            update={
                "ssh": resolved(node.ssh, "key"),
                "sudo": resolved(node.sudo, "password_file"),
            }
        )
        for node in spec.nodes
    ]
    return spec.model_copy(
        update={
            "nodes": nodes,
            "ssh": resolved(spec.ssh, "known_hosts", "config"),
            "sudo": resolved(spec.sudo, "password_file"),
        }
    )


def absolute(value: str, beside: Path, place: str) -> str:
    """A path that a file names, `~` and paths relative to the file included."""
    try:
        return str(beside / Path(value).expanduser())
    except RuntimeError as error:
        raise SpecError(f"{place}: {value}: {error}") from None
