"""Look at all machines again and again, each over one connection; who goes away may come back."""

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, wait
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.api.connecting import machines, spec_of
from orchestrator.api.person import Person
from orchestrator.errors import ConnectError, RemoteError, SparkctlError
from orchestrator.node.connect import connect_all
from orchestrator.node.node import Node
from orchestrator.node.parallel import begin
from orchestrator.reconcile.observe import Observation
from orchestrator.runs.glance import Glance, Seen, read_glance
from orchestrator.spec.cluster import ClusterSpec, NodeSpec

__all__ = ["Glance", "Seen", "watch"]

_PATIENCE = 3.0
"""Seconds after which a machine that has not answered is shown as one that does not."""


def watch(
    cluster: ClusterSpec | Path | str,
    person: Person,
    *,
    interval: float,
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> Iterator[Mapping[str, Seen]]:
    """All machines by name, every `interval` seconds, without end: close it, or leave by Ctrl-C.

    Each costs one exec a machine and look. One that is slow or away holds up no other. Raises
    SpecError for the file; errors of machines are in what is seen.
    """
    spec = spec_of(cluster)
    with machines(spec, person, "keep") as (nodes, away), ExitStack() as later:
        first = Observation(spec, nodes, read_glance)
        first.ask(person.sudo_password)
        eyes = {
            node.name: _Eye(
                spec, node, later, clock, nodes.get(node.name), first.found.get(node.name),
                away.get(node.name) or first.errors.get(node.name),
            )
            for node in spec.nodes
        }  # fmt: skip
        while True:
            yield {name: eye.seen for name, eye in eyes.items()}
            began = clock()
            pending = [eye.look() for eye in eyes.values()]
            pause(max(0.0, interval - (clock() - began)))
            wait(pending, timeout=_PATIENCE - interval if interval < _PATIENCE else 0)


@dataclass
class _Eye:
    """Looks at one machine."""

    spec: ClusterSpec
    place: NodeSpec
    later: ExitStack
    """Closes connections that were made meanwhile."""
    clock: Callable[[], float]
    node: Node | None
    glance: Glance | None
    error: SparkctlError | None
    _pending: Future[Glance] | None = field(default=None, repr=False)
    _since: float = 0.0

    def look(self) -> Future[Glance]:
        """Begin to look; a look that is not over is waited for instead."""
        self._settle()
        if self._pending is None:
            self._since = self.clock()
            self._pending = begin(self._read)
        return self._pending

    @property
    def seen(self) -> Seen:
        """What is known now."""
        self._settle()
        late = self._pending is not None and self.clock() - self._since >= _PATIENCE
        if self.error is None and late:
            return Seen(self.glance, f"no answer for {self.clock() - self._since:.0f} s")
        return Seen(self.glance, None if self.error is None else self.error.brief)

    def _settle(self) -> None:
        if self._pending is None or not self._pending.done():
            return
        try:
            self.glance, self.error = self._pending.result(), None
        except SparkctlError as error:
            self.error = error
        self._pending = None

    def _read(self) -> Glance:
        if self.node is None:
            if self.error is not None and type(self.error) is not ConnectError:
                raise self.error  # it answered and refused: asking again would be an attack
            alone = self.spec.model_copy(update={"nodes": [self.place]})
            self.node = self.later.enter_context(connect_all(alone))[self.place.name]
        elif isinstance(self.error, (ConnectError, RemoteError)):
            self.node.reconnect()
        return read_glance(self.node, self.spec.paths)
