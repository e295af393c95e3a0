"""Every operation of a controller, counted from the last event of its change."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any, TypeVar

from orchestrator.node.connection import Completed
from orchestrator.reconcile.events import ChangeDone, ChangeStarted, Event
from orchestrator.reconcile.lock_scripts import BEAT
from tests.faults.point import Point, Seen, When

T = TypeVar("T")

_BEAT = f"\n{BEAT} ".encode()

Strike = Callable[[], None]
Note = Callable[[Seen], None]

ANSWER_SECONDS = 0.2
"""Seconds that a Docker API request is taken to last: its end is not seen from here."""


@dataclass
class Watch:
    """Knows at which point each thread is; strikes at one of them, or notes all.

    A change is made by one thread, whichever machines it talks to; what no change asks for (locks,
    records, probes) belongs to the machine that it is done on.
    """

    at: Point | None
    strike: Strike
    note: Note
    _mine: threading.local = field(default_factory=threading.local)
    _of_node: dict[str, tuple[When, str]] = field(default_factory=dict)
    _count: Counter[tuple[When, str]] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def event(self, event: Event) -> None:
        """A change begins or ends."""
        if not isinstance(event, ChangeStarted | ChangeDone):
            return
        change = event.change
        anchor: tuple[When, str] = (
            "before" if isinstance(event, ChangeStarted) else "after",
            change.id,
        )
        self._mine.anchor = anchor
        self._of_node[change.node] = anchor
        self.note(Seen(*anchor, 0, 0.0))
        if self.at == Point(*anchor):
            self.strike()

    def operation(self, node: str, work: Callable[[], T]) -> T:
        """Something that is over when `work` returns."""
        here = self._next(node)
        if not self._is_here(here):
            began = time.monotonic()
            result = work()
            self.note(Seen(*here, time.monotonic() - began))
            return result
        assert self.at is not None
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(work)
            wait([running], timeout=self.at.later)  # until the moment, or it is over before
            self.strike()
            return running.result()

    def request(self, node: str, send: Callable[[], T]) -> T:
        """Something that goes on when `send` has returned."""
        here = self._next(node)
        result = send()
        self.note(Seen(*here, ANSWER_SECONDS))
        if self._is_here(here):
            assert self.at is not None
            threading.Event().wait(self.at.later)
            self.strike()
        return result

    def _next(self, node: str) -> tuple[When, str, int]:
        anchor: tuple[When, str] = getattr(self._mine, "anchor", None) or self._of_node.get(
            node, ("start", node)
        )
        with self._lock:
            self._count[anchor] += 1
            return (*anchor, self._count[anchor])

    def _is_here(self, here: tuple[When, str, int]) -> bool:
        at = self.at
        return at is not None and at.in_flight and here == (at.when, at.what, at.operation)


class WatchedConnection:
    """A connection whose operations are counted."""

    def __init__(self, inner: Any, node: str, watch: Watch) -> None:
        self._inner, self._node, self._watch = inner, node, watch

    def run(self, command: str, stdin: bytes, **options: Any) -> Completed:
        def work() -> Completed:
            done: Completed = self._inner.run(command, stdin, **options)
            return done

        # The sign of life of a lock comes when its time has come: in this run, not in another one.
        return work() if _BEAT in stdin else self._watch.operation(self._node, work)

    def open(self, *args: Any, **options: Any) -> Any:
        return WatchedStream(self._inner.open(*args, **options), self._node, self._watch)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class WatchedStream:
    """A stream whose HTTP requests are counted, those that change something."""

    _BEGINS = (b"POST ", b"DELETE ", b"PUT ")

    def __init__(self, inner: Any, node: str, watch: Watch) -> None:
        self._inner, self._node, self._watch = inner, node, watch

    def sendall(self, data: bytes) -> object:
        if not bytes(data).startswith(self._BEGINS):
            return self._inner.sendall(data)
        return self._watch.request(self._node, lambda: self._inner.sendall(data))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)
