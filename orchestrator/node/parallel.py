"""The same work on several nodes at once, with no error lost."""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, wait
from functools import partial
from typing import TypeVar

from orchestrator.errors import NodeErrors, SparkctlError

T = TypeVar("T")

_AT_ONCE = 16
_POLL = 0.5  # seconds


def begin(work: Callable[[], T]) -> Future[T]:
    """Call `work` in a thread of its own, which nobody waits for when the program ends.

    A pool of concurrent.futures is waited for at the end, also by a program that was interrupted.
    """
    future: Future[T] = Future()
    threading.Thread(target=_settle, args=(future, work), daemon=True).start()
    return future


def on_each(names: Iterable[str], work: Callable[[str], T]) -> dict[str, T]:
    """Call `work(name)` for all names in parallel; all are waited for, also when one fails.

    One error is raised as it is, several as NodeErrors.
    """
    results, errors = try_each(names, work)
    raise_all(errors)
    return results


def try_each(
    names: Iterable[str], work: Callable[[str], T], *, at_once: int = _AT_ONCE
) -> tuple[dict[str, T], dict[str, SparkctlError]]:
    """As `on_each`, but the errors are handed back beside the results.

    Who is interrupted here leaves at once: nothing further is begun, and what was begun ends with
    the connection that it uses.
    """
    futures: dict[str, Future[T]] = {name: Future() for name in names}
    waiting = deque(futures)

    def work_off() -> None:
        while True:
            try:
                name = waiting.popleft()
            except IndexError:
                return
            _settle(futures[name], partial(work, name))

    try:
        for _ in range(min(at_once, len(futures))):
            threading.Thread(target=work_off, daemon=True).start()
        while wait(futures.values(), timeout=_POLL).not_done:
            pass  # a signal that came in the moment before is seen now
    except BaseException:
        waiting.clear()
        raise
    results: dict[str, T] = {}
    errors: dict[str, SparkctlError] = {}
    for name, future in futures.items():
        try:
            results[name] = future.result()
        except SparkctlError as error:
            errors[name] = error
    return results, errors


def raise_all(errors: Mapping[str, SparkctlError]) -> None:
    """Raise what there is to raise."""
    if len(errors) == 1:
        raise next(iter(errors.values()))
    if errors:
        raise NodeErrors(errors.values())


def _settle(future: Future[T], work: Callable[[], T]) -> None:
    try:
        future.set_result(work())
    except BaseException as error:
        future.set_exception(error)
