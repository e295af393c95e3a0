"""The stacks that sparkctl ships."""

from orchestrator.spec.shipped import stack_names

__all__ = ["stack_names"]
