"""Facts of a machine, read in ONE script in ONE round trip, and parsed without side effects."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from orchestrator import assets
from orchestrator.facts.added import added
from orchestrator.facts.answers import taken_apart
from orchestrator.facts.fact import Group, Raw
from orchestrator.facts.machine import MACHINE, SECTIONS, Facts, Machine
from orchestrator.facts.protocol import decode, parsing
from orchestrator.node.node import Node
from orchestrator.spec.cluster import PathsSpec

_FOLDER = str(Path(__file__).parent)


def probe_script(paths: PathsSpec, *, whole: bool = True) -> str:
    """The script that reads all facts, or those of a Machine. It changes nothing."""
    sections = SECTIONS if whole else (MACHINE,)
    blocks = ["".join(group.shell(paths) for group in section) for section in sections]
    if whole and added():
        blocks.append("".join(fact.script for fact in added()))
    head = assets.text("templates/fact.sh") + assets.text("templates/facts/file.sh")
    return "\n".join([head, *blocks]) + ":\n"


def read_facts(node: Node, paths: PathsSpec) -> Facts:
    """One exec on the node, as root: nobody else sees the journal."""
    return parse_facts(node.name, node.output(probe_script(paths)))


def read_machine(node: Node, paths: PathsSpec) -> Machine:
    """One exec on the node, as whoever may use Docker."""
    return parse_machine(node.name, node.output(probe_script(paths, whole=False), need="docker"))


def parse_machine(node: str, output: bytes) -> Machine:
    """What is common to both probes. Raises RemoteError when it is not whole."""
    with parsing(node, _FOLDER):
        return Machine(node=node, **_fields(MACHINE, decode(output)))


def parse_facts(node: str, output: bytes) -> Facts:
    """Facts from what the probe printed. Raises RemoteError when it is not whole."""
    with parsing(node, _FOLDER):
        raw = taken_apart(decode(output))
        groups = [group for section in SECTIONS for group in section]
        more = {fact.name: fact.parse(raw[fact.wire]) for fact in added()}
        return Facts(node=node, more=more, **_fields(groups, raw))


def _fields(groups: Iterable[Group[Any]], raw: Raw) -> dict[str, Any]:
    return {name: value for group in groups for name, value in vars(group.parse(raw)).items()}
