"""The names of the checks before a run, for who wants to skip some."""

from orchestrator.doctor.found import checks_before


def skippable() -> list[str]:
    """Each once, in the order in which they are asked."""
    return list(dict.fromkeys(check.name for check in checks_before("train")))
