"""The shipped recipes, by what trains."""

from orchestrator.spec.load import load_stack, stack_names

OURS = [name for name in stack_names() if load_stack(name).script is None]
"""By sparkctl's own training."""
SCRIPTS = [name for name in stack_names() if name not in OURS]
"""Scripts that a user fetches."""
