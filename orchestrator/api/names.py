"""The shipped stacks as names and text, for who wants no model of them: help and completion."""

from orchestrator.spec.shipped import shipped_text, stack_names

__all__ = ["shipped_text", "stack_names"]
