"""Whether one of Docker's two files can be written: found in the plan, not half-way.

A link stays a link: what is written is the file that it leads to (`write_through`).
"""

from orchestrator.errors import PreflightError
from orchestrator.facts.machine import Facts


def require_writable(facts: Facts, path: str) -> None:
    """Raise where `path`, which is to be changed, cannot be replaced."""
    if path in facts.fixed:
        raise PreflightError(
            f"{path} on {facts.node} has to be changed, and cannot be",
            details=facts.fixed[path],
            resolution="Make it a file that root can replace, or a link to one.",
            node=facts.node,
        )


def require_no_link(facts: Facts, path: str) -> None:
    """Raise where `path`, which is to be removed, has become somebody's link."""
    if path in facts.links:
        raise PreflightError(
            f"{path} on {facts.node} is a link to {facts.links[path]} now, and has to be removed",
            details="There was no such file when sparkctl made one.",
            resolution="Remove the link, then run `down` again.",
            node=facts.node,
        )
