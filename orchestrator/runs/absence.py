"""Machines that do not answer for a while: which errors may pass, and for how long."""

from orchestrator.errors import ConnectError, RemoteError, SparkctlError

AWAY = 900.0
"""Seconds that a machine may not answer: a laptop that slept, a machine that reboots."""


def may_pass(error: SparkctlError) -> bool:
    """A machine that reboots comes back; one that refuses us does not change its mind."""
    parts = getattr(error, "errors", (error,))
    return all(type(one) is ConnectError or isinstance(one, RemoteError) for one in parts)
