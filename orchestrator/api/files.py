"""The files that people write: the cluster file, and recipes."""

from orchestrator.api.person import Person, Question
from orchestrator.spec.cluster import ClusterSpec
from orchestrator.spec.load import Recipe, load_cluster, load_recipe, stack_names
from orchestrator.spec.stack import StackSpec
from orchestrator.stack.environment import with_debug
from orchestrator.stack.powers import to_be_trusted

__all__ = [
    "ClusterSpec",
    "Recipe",
    "StackSpec",
    "load_cluster",
    "load_recipe",
    "require_trust",
    "stack_names",
    "with_debug",
]


def require_trust(recipe: Recipe, name: str, person: Person) -> None:
    """Ask about what a recipe from elsewhere does besides training. Raises DeclinedError."""
    if powers := to_be_trusted(recipe):
        heading = f"{name} is not a recipe of sparkctl's. Besides training it does this:"
        details = (heading, *(power.line for power in powers))
        person.agree(Question("recipe", f"Trust {name}?", details))
