"""A lab for as long as it is needed, its nodes as machines."""

from collections.abc import Iterator
from contextlib import contextmanager

from orchestrator.lab import LabSpec, down, engine, labels, node
from orchestrator.lab import up as lab_up
from tests.lab.machine import Machine


@contextmanager
def raised(spec: LabSpec) -> Iterator[dict[str, Machine]]:
    """The machines of a lab that is there inside the `with` block."""
    try:
        lab_up(spec)
        with engine.connected() as client:
            containers = list(node.all_of(client, spec.name))
            yield {c.labels[labels.NODE]: Machine(c.labels[labels.NODE], c) for c in containers}
    finally:
        down(spec.name)
