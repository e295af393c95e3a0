"""The names of what is looked at before a run, for who asks for less of it."""

from orchestrator.doctor.names import SKIPPABLE

__all__ = ["SKIPPABLE"]
