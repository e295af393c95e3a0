"""How a holder knows that a lock is still its own, and sends a heartbeat.

`lock` is its folder, as a word of shell. What takes, reads and releases one lies in templates/lock.
"""

from orchestrator.node.fence import LOST

BEAT = "touch -c"


def check(lock: str, token: str) -> str:
    """One line, for the fence."""
    return f"grep -qsF {token} {lock}/owner || exit {LOST}"


def beat(lock: str, token: str) -> str:
    """A sign of life, of who still has the lock."""
    return f"{check(lock, token)}\n{BEAT} {lock}/owner"
