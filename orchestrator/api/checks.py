"""The names of what is looked at before a run, for who asks for less of it."""

from orchestrator.runs.checks import CHECKS

__all__ = ["CHECKS"]
