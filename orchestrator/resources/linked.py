"""A file that is a link on the machine is not replaced: it would become a file of its own there."""

from orchestrator.errors import PreflightError
from orchestrator.node.facts import Facts


def refuse_link(facts: Facts, path: str) -> None:
    """Raise where `path`, which is to be changed, is a link."""
    if path in facts.links:
        raise PreflightError(
            f"{path} on {facts.node} is a link to {facts.links[path]}, and has to be changed",
            resolution="sparkctl changes only a file that lies there itself. Put a copy in place "
            "of the link, or make the change in the file that it leads to.",
            node=facts.node,
        )
