"""The files that people write: the cluster file, and recipes."""

from typing import TYPE_CHECKING

from orchestrator.api.person import Person, Question
from orchestrator.spec.load import Recipe, load_cluster, load_recipe

if TYPE_CHECKING:  # a file that is not there is an error without them
    from orchestrator.spec.cluster import ClusterSpec
    from orchestrator.spec.stack import StackSpec

__all__ = [
    "ClusterSpec",
    "Recipe",
    "StackSpec",
    "load_cluster",
    "load_recipe",
    "require_trust",
    "with_debug",
]


def require_trust(recipe: Recipe, name: str, person: Person) -> None:
    """Ask about what a recipe from elsewhere does besides training. Raises DeclinedError."""
    from orchestrator.stack.powers import to_be_trusted

    if powers := to_be_trusted(recipe):
        heading = f"{name} is not a recipe of sparkctl's. Besides training it does this:"
        details = (heading, *(power.line for power in powers))
        person.agree(Question("recipe", f"Trust {name}?", details))


def with_debug(stack: "StackSpec") -> "StackSpec":
    """The stack with verbose logging of its ranks; variables that it sets itself stay."""
    from orchestrator.stack import environment

    return environment.with_debug(stack)
