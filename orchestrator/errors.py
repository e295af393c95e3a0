"""Every error that sparkctl raises on purpose.

    SparkctlError
    ├── SpecError                 a file or an option is wrong
    │   ├── UnknownStackError
    │   └── UnknownKeyError
    ├── ConnectError              a machine cannot be reached or refuses us
    │   ├── AuthenticationError
    │   │   └── PassphraseNeededError
    │   └── HostKeyError
    │       └── UnknownHostKeyError
    ├── SudoError                 the machine is there, root is not
    │   └── PasswordNeededError
    ├── RemoteError               a command on a machine failed or ran out of time
    ├── PreflightError            the machine is not in a state that we may change
    │   ├── StalePlanError
    │   ├── LockedError
    │   └── OthersError
    ├── ChangeError               a change did not take, and what was done about it
    │   ├── StoppedError
    │   ├── JournalError
    │   └── LockLostError
    ├── DeclinedError             nobody agreed
    ├── LabError                  the simulated Sparks
    ├── RunError                  a training run that did not succeed
    │   ├── BusyError
    │   └── DoesNotFitError
    └── NodeErrors                several of the above, one or more per node

An error helps: `brief` is what happened, `details` shows the literal output or line,
`resolution` is how to fix it. `code` is stable and listed in docs/errors.md; `exit_code` is the
exit code of the command.
"""

from collections.abc import Iterable
from pathlib import Path


class SparkctlError(Exception):
    """Base of all errors that a user can see."""

    code = "E000"
    exit_code = 1

    def __init__(
        self,
        brief: str,
        *,
        details: str | None = None,
        resolution: str | None = None,
        node: str | None = None,
    ) -> None:
        super().__init__(brief)
        self.brief = brief
        self.details = details
        self.resolution = resolution
        self.node = node

    def to_dict(self) -> dict[str, object]:
        """The error as plain data, as `--json` shows it."""
        return {
            "code": self.code,
            "brief": self.brief,
            "details": self.details,
            "resolution": self.resolution,
            "node": self.node,
        }


class SpecError(SparkctlError):
    """A file or an option is wrong; the place is in `brief` as file:line."""

    code = "E100"
    exit_code = 3


class UnknownStackError(SpecError):
    """There is no stack of that name."""

    code = "E101"


class UnknownKeyError(SpecError):
    """`--set` names a key that the stack's schema does not have."""

    code = "E102"


class ConnectError(SparkctlError):
    """A machine cannot be reached over its connection."""

    code = "E200"
    exit_code = 4


class AuthenticationError(ConnectError):
    """The machine answered and refused every key that we offered."""

    code = "E201"


class HostKeyError(ConnectError):
    """The machine's host key is not the one that we know, is revoked, or cannot be looked up."""

    code = "E202"


class PassphraseNeededError(AuthenticationError):
    """Every other key was refused, the next is encrypted, and nobody gave its passphrase."""

    code = "E203"

    def __init__(self, key: str, node: str, title: str) -> None:
        super().__init__(
            f"{title}: the key {key} is encrypted",
            details="No other key was accepted, and there is no terminal to ask in.",
            resolution=f"Give it to the agent once: ssh-add {key}",
            node=node,
        )
        self.key = key


class UnknownHostKeyError(HostKeyError):
    """The machine's host key was never seen; `file` can keep it, once somebody says that it is."""

    code = "E204"

    def __init__(
        self, brief: str, file: Path, line: tuple[str, str, str], **more: str | None
    ) -> None:
        super().__init__(brief, **more)
        self.file = file
        self.line = line
        """Name in known-hosts files, kind, key in base64."""


class SudoError(SparkctlError):
    """Root is needed on the machine and sudo did not give it."""

    code = "E300"
    exit_code = 5


class PasswordNeededError(SudoError):
    """sudo wants a password and none was given."""

    code = "E301"


class RemoteError(SparkctlError):
    """A command on a machine failed, or did not end before its deadline."""

    code = "E310"
    exit_code = 7


class PreflightError(SparkctlError):
    """The machine is not in a state that sparkctl may change; nothing was changed."""

    code = "E400"
    exit_code = 6


class StalePlanError(PreflightError):
    """A saved plan is stale: it is not what would be done now; nothing was changed."""

    code = "E401"


class LockedError(PreflightError):
    """Somebody else is changing the machine right now; nothing was changed."""

    code = "E402"


class OthersError(PreflightError):
    """Things that are not sparkctl's would end or stop, and nobody allowed it."""

    code = "E403"


class ChangeError(SparkctlError):
    """A change was tried and did not take."""

    code = "E500"
    exit_code = 7


class StoppedError(ChangeError):
    """Ctrl-C: the current change was finished, no other was started."""

    code = "E501"
    exit_code = 130


class JournalError(ChangeError):
    """A journal record cannot be read: what it is about was skipped, all else was restored."""

    code = "E502"


class LockLostError(ChangeError):
    """Somebody else has taken over the lock of a machine: no further change was made there."""

    code = "E503"


class DeclinedError(SparkctlError):
    """A plan was shown and nobody agreed; nothing was changed."""

    code = "E600"
    exit_code = 8


class LabError(SparkctlError):
    """The lab could not be built, started or swept."""

    code = "E700"
    exit_code = 9


class RunError(SparkctlError):
    """A training run could not start or did not succeed."""

    code = "E800"
    exit_code = 10


class BusyError(RunError):
    """Another run holds the GPUs."""

    code = "E801"


class DoesNotFitError(RunError):
    """The run has no place on these nodes: their memory or their disks are too small for it."""

    code = "E802"
    exit_code = 11


class NodeErrors(SparkctlError):
    """The errors of several nodes, all kept.

    Its exit code is that of its members when they agree. Else a change that failed decides: that a
    machine may be half changed matters more than that another one is out of reach.
    """

    code = "E900"

    def __init__(self, errors: Iterable[SparkctlError]) -> None:
        self.errors = tuple(errors)
        nodes = ", ".join(sorted({e.node for e in self.errors if e.node}))
        super().__init__(f"{len(self.errors)} errors on {nodes}")
        changes = [e for e in self.errors if isinstance(e, ChangeError)]
        codes = {e.exit_code for e in changes or self.errors}
        self.exit_code = codes.pop() if len(codes) == 1 else 1

    def to_dict(self) -> dict[str, object]:
        return {**super().to_dict(), "errors": [e.to_dict() for e in self.errors]}
