"""How a supervisor understands the process that it supervises: its lines, and its end."""

from typing import Protocol

from training.contract.events import AnyEvent, Result, parse

NO_RESULT = "exit status 0 without a result"


class Reader(Protocol):
    """Of one rank, for one attempt."""

    @property
    def rests_on(self) -> str | None:
        """What a success is, in words, where that is less than ours proves."""

    def begin(self) -> None:
        """The process is about to start. Raises OSError."""

    def line(self, text: str) -> AnyEvent | None:
        """The event of a line of its output, if any; secrets are redacted already."""

    def lacks(self, result: Result | None) -> str | None:
        """Why an exit with status 0 is no success, in words; None: it is one."""


class Events:
    """Ours: it prints events, writes its own files, and has a result or has not succeeded."""

    rests_on = None

    def begin(self) -> None:
        """Nothing is to be done."""

    def line(self, text: str) -> AnyEvent | None:
        """An event is a line of JSON."""
        return parse(text)

    def lacks(self, result: Result | None) -> str | None:
        """Exit codes prove nothing: every rank reports what it holds."""
        return NO_RESULT if result is None else None
