"""Secrets of a run: from the environment of this computer into Docker's secret store."""

from collections.abc import Mapping

from orchestrator.errors import RunError
from orchestrator.spec.stack import StackSpec


def secret_values(stack: StackSpec, environ: Mapping[str, str]) -> dict[str, str]:
    """Values by name, of those that have one. Raises RunError when a required one has none."""
    values = {s.name: environ[s.name] for s in stack.secrets if environ.get(s.name)}
    missing = [s.name for s in stack.secrets if s.required and s.name not in values]
    if missing:
        raise RunError(
            f"{stack.name} needs the secret {missing[0]}",
            resolution=f"Set it in the environment of this command: export {missing[0]}=… "
            "It goes into Docker's secret store for the run, and nowhere else.",
        )
    return values
