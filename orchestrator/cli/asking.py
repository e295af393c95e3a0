"""What only a person at a terminal can answer."""

import sys

import click

from orchestrator.errors import DeclinedError
from orchestrator.ui.plain import one_line


def ask_sudo_password() -> str | None:
    """Asked once for all nodes that want one; None when nobody is there to ask."""
    if not sys.stdin.isatty():
        return None
    return str(
        click.prompt("sudo password (for the nodes that want one)", hide_input=True, err=True)
    )


def ask_passphrase(key: str) -> str | None:
    """Of an encrypted SSH key; asked once for all nodes. None when nobody is there to ask."""
    if not sys.stdin.isatty():
        return None
    question = f"passphrase of {key} (for all nodes)"
    return str(
        click.prompt(one_line(question), hide_input=True, err=True, default="", show_default=False)
    )


def confirm(question: str, *, yes: bool, option: str = "--yes") -> None:
    """Return when the answer is yes, else raise DeclinedError. `option` is what stands for it."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise DeclinedError(
            "nothing was changed: there is no terminal to ask in",
            resolution=f"Add {option} to go ahead without a question.",
        )
    if not click.confirm(one_line(question), default=False, err=True):
        raise DeclinedError("nothing was changed")
