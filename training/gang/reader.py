"""How a supervisor understands the process that it supervises: its lines, and its end."""

from typing import Protocol

from training.contract.events import AnyEvent, Result, parse
from training.gang.proof import GangProof

NO_RESULT = "exit status 0 without a result"


class Reader(Protocol):
    """Of one rank, for one attempt."""

    @property
    def rests_on(self) -> str | None:
        """What a success is, in words, where that is less than ours proves."""

    @property
    def wants_witness(self) -> bool:
        """Whether its process is to report what it sees of its group."""

    @property
    def shares_saves(self) -> bool:
        """Whether rank 0's part of its checkpoints must get to the other ranks."""

    def gang_proof(self, world_size: int) -> GangProof | None:
        """What judges the witnesses of all ranks, for one attempt."""

    def begin(self) -> None:
        """The process is about to start. Raises OSError."""

    def line(self, text: str) -> AnyEvent | None:
        """The event of a line of its output, if any; secrets are redacted already."""

    def lacks(self, result: Result | None) -> str | None:
        """Why an exit with status 0 is no success, in words; None: it is one."""


class Events:
    """Ours: it prints events, writes its own files, and has a result or has not succeeded."""

    rests_on = None
    wants_witness = False
    shares_saves = False

    def gang_proof(self, world_size: int) -> None:
        """Ours proves its group itself, before step 1."""

    def begin(self) -> None:
        """Nothing is to be done."""

    def line(self, text: str) -> AnyEvent | None:
        """An event is a line of JSON."""
        return parse(text)

    def lacks(self, result: Result | None) -> str | None:
        """Exit codes prove nothing: every rank reports what it holds."""
        return NO_RESULT if result is None else None
