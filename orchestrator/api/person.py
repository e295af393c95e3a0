"""Who is asked: passwords, and a yes to what cannot be taken back."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from orchestrator.errors import DeclinedError
from orchestrator.reconcile.other import ensure_no_others

if TYPE_CHECKING:  # of the machines; runs need nothing of it
    from orchestrator.reconcile.plan import Plan

__all__ = ["Person", "Question", "Topic", "Unattended", "ensure_no_others"]

Topic = Literal["recipe", "record", "delete", "locks", "file", "host key"]
"""What a question is about: a recipe from elsewhere, a run's record that differs from the recipe
here, the deletion of a run, locks that somebody holds, a file that would be overwritten, the host
key of a machine that was never seen."""


@dataclass(frozen=True)
class Question:
    """One question; the answer is yes or no."""

    topic: Topic
    text: str
    details: tuple[str, ...] = ()
    """Lines that the person should have read before: a heading, and what it names."""


class Person(Protocol):
    """What only a person can answer. A no is a DeclinedError, and nothing has been changed."""

    def sudo_password(self) -> str | None:
        """Asked once for all nodes that want one; None when nobody is there to ask."""

    def passphrase(self, key: str) -> str | None:
        """The passphrase of this SSH key file, asked once for all nodes; None as above."""

    def approve(self, plan: "Plan") -> None:
        """Return when the plan may be applied.

        Raises DeclinedError, or OthersError when nobody can be asked about what is not sparkctl's.
        """

    def agree(self, question: Question) -> None:
        """Return for a yes; raise DeclinedError for a no."""


@dataclass(frozen=True)
class Unattended:
    """Nobody is there: what was allowed beforehand is agreed to, all else is declined."""

    allowed: Collection[Topic | Literal["changes", "others"]] = ()
    """`changes`: plans. `others`: what in Docker is not sparkctl's may end or stop with them."""

    def sudo_password(self) -> None:
        """Nobody knows it; SPARKCTL_SUDO_PASSWORD and `sudo.password_file` count all the same."""

    def passphrase(self, key: str) -> None:
        """None: nobody knows it."""

    def approve(self, plan: "Plan") -> None:
        """Raises OthersError, DeclinedError."""
        if "others" not in self.allowed:
            ensure_no_others(plan.others)
        self._need("changes")

    def agree(self, question: Question) -> None:
        """Raises DeclinedError."""
        self._need(question.topic)

    def _need(self, topic: str) -> None:
        if topic not in self.allowed:
            raise DeclinedError(
                "nothing was changed: nobody is there to ask",
                resolution=f"Allow it beforehand: Unattended(allowed={{{topic!r}}})",
            )
