"""What stands before every change on a machine while its lock is held: is it still ours?"""

from dataclasses import dataclass

from orchestrator.errors import LockLostError
from orchestrator.node.escalate import Privilege

LOST = 98
"""Exit code of a script that the fence did not let through."""


@dataclass(frozen=True)
class Fence:
    """`check`: a line of shell that exits with LOST. `need`: who may look where it looks."""

    check: str
    need: Privilege

    def allows(self, need: Privilege) -> bool:
        """Whether a script that runs with `need` can make the check by itself."""
        return need in ("root", self.need)


def lost(node: str) -> LockLostError:
    """The error for a machine that somebody else has locked meanwhile."""
    return LockLostError(
        f"somebody took over the lock of {node}; nothing further was changed there",
        details="This command sent no heartbeat for too long (a laptop that slept?), or the "
        "lock was broken by hand.",
        resolution="Who holds it: `sparkctl cluster lock show`. When they are done, run the same "
        "command again: what was done is known to the machines.",
        node=node,
    )
