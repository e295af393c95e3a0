"""The person at the terminal, and what they have agreed to with options."""

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from orchestrator.api.person import Question, ensure_no_others
from orchestrator.errors import DeclinedError
from orchestrator.ui.plain import one_line

if TYPE_CHECKING:  # every command reads this file
    from orchestrator.api.cluster import Plan


@dataclass(frozen=True)
class Terminal:
    """Asks on standard error what `--yes`, `--end-others`, `--trust-recipe` and `--force` do not
    cover."""

    yes: bool = False
    end_others: bool = False
    trust: bool = False
    force: bool = False
    quiet: bool = False
    """Nobody is asked for anything."""

    @property
    def _silent(self) -> bool:
        return self.quiet or not is_terminal()

    def sudo_password(self) -> str | None:
        """Prompt for it without echo."""
        if self._silent:
            return None
        return str(
            click.prompt("sudo password (for the nodes that want one)", hide_input=True, err=True)
        )

    def passphrase(self, key: str) -> str | None:
        """Prompt for it without echo; it may be empty."""
        if self._silent:
            return None
        question = f"passphrase of {key} (for all nodes)"
        return str(
            click.prompt(
                one_line(question), hide_input=True, err=True, default="", show_default=False
            )
        )

    def approve(self, plan: "Plan") -> None:
        """Two questions: of the machines, and of what is in Docker and not sparkctl's."""
        if not self.end_others and (self.yes or not sys.stdin.isatty()):
            ensure_no_others(plan.others)
        machines = ", ".join(plan.nodes)
        confirm(f"Change {machines} of cluster {plan.cluster!r}?", yes=self.yes)
        if plan.others:
            names = ", ".join(f"{other.kind} {other.name}" for other in plan.others)
            question = f"Not sparkctl's, and ended or stopped by this: {names}. Continue?"
            confirm(question, yes=self.end_others)

    def agree(self, question: Question) -> None:
        """What should have been read is shown whatever the answer is."""
        from orchestrator.ui.console import err

        heading, lines = question.details[:1], question.details[1:]
        for line in (*heading, *(f"  {line}" for line in lines)):
            err().print(line)
        if question.topic == "recipe":
            confirm(question.text, yes=self.trust, option="--trust-recipe")
        elif question.topic == "file":
            confirm(question.text, yes=self.force, option="--force", silent=self._silent)
        elif question.topic == "host key":
            confirm(question.text, yes=False, silent=self._silent)
        else:
            confirm(question.text, yes=self.yes)


def is_terminal() -> bool:
    """Whether somebody is there to ask."""
    return sys.stdin is not None and sys.stdin.isatty()


def confirm(question: str, *, yes: bool, option: str = "--yes", silent: bool | None = None) -> None:
    """Return when the answer is yes, else raise DeclinedError. `option` is what stands for it.
    `silent`: nobody is asked; default: where there is no terminal."""
    if yes:
        return
    if not is_terminal() if silent is None else silent:
        raise DeclinedError(
            "nothing was changed: there is no terminal to ask in",
            resolution=f"Add {option} to go ahead without a question.",
        )
    if not click.confirm(one_line(question), default=False, err=True):
        raise DeclinedError("nothing was changed")
