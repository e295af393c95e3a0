"""The names of the checks before a run, for who wants to skip some."""

from orchestrator.doctor.names import SKIPPABLE

__all__ = ["SKIPPABLE"]
