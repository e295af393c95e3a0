"""A lab for as long as it is needed, its nodes as machines."""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from orchestrator.lab import LabSpec, down, engine, labels, node
from orchestrator.lab import up as lab_up
from tests.lab.machine import Machine


@contextmanager
def raised(spec: LabSpec) -> Iterator[dict[str, Machine]]:
    """The machines of a lab that is there inside the `with` block."""
    try:
        with _one_at_a_time():
            lab_up(spec)
        with engine.connected() as client:
            containers = list(node.all_of(client, spec.name))
            yield {c.labels[labels.NODE]: Machine(c.labels[labels.NODE], c) for c in containers}
    finally:
        down(spec.name)


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Of all processes that test: the first builds the images that the others' labs share."""
    with (Path(tempfile.gettempdir()) / f"sparkctl-labs-{os.getuid()}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
