"""The same work on several nodes at once, with no error lost."""

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from orchestrator.errors import NodeErrors, SparkctlError

T = TypeVar("T")

_AT_ONCE = 16


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
    """As `on_each`, but the errors are handed back beside the results."""
    results: dict[str, T] = {}
    errors: dict[str, SparkctlError] = {}
    with ThreadPoolExecutor(max_workers=at_once) as pool:
        futures = {name: pool.submit(work, name) for name in names}
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
