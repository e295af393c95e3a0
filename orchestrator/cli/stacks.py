"""`sparkctl stacks list | show | copy`."""

from pathlib import Path

import click

from orchestrator.cli import completing
from orchestrator.cli.groups import Ordered
from orchestrator.cli.options import json_option
from orchestrator.ui.plain import json_text


@click.group(
    cls=Ordered,
    order=("list", "show", "copy"),
    examples=("sparkctl stacks list", "sparkctl stacks copy llama3-8b-lora my-stack.yaml"),
)
def stacks() -> None:
    """What can be trained: the stacks that sparkctl ships."""


@stacks.command("list", examples=("sparkctl stacks list", "sparkctl stacks list --json"))
@json_option
def list_(as_json: bool) -> None:
    """List them: model, method, nodes, memory."""
    from orchestrator.api.stacks import shipped
    from orchestrator.ui.console import out
    from orchestrator.ui.stacks_view import show_stacks

    report = shipped()
    if as_json:
        click.echo(json_text(report, indent=2))
    else:
        show_stacks(report, out())


@stacks.command(examples=("sparkctl stacks show llama3-8b-lora",))
@click.argument("name", shell_complete=completing.shipped)
def show(name: str) -> None:
    """Print the file of NAME, with its comments."""
    from orchestrator.api.names import shipped_text

    click.echo(shipped_text(name), nl=False)


@stacks.command(
    examples=(
        "sparkctl stacks copy llama3-8b-lora",
        "sparkctl stacks copy llama3-8b-lora my-stack.yaml",
        "sparkctl train ./my-stack.yaml --dry-run",
    )
)
@click.argument("name", shell_complete=completing.shipped)
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option("--force", is_flag=True, help="Replace a file that is there.")
def copy(name: str, file: Path | None, force: bool) -> None:
    """Write a copy of NAME to FILE, to change it: ./NAME.yaml unless another is named."""
    from orchestrator.api.stacks import copy as copied

    place = copied(name, file, force=force)
    click.echo(f"{click.format_filename(place)} is written. Next: sparkctl train {_word(place)}")


def _word(place: Path) -> str:
    """As a shell takes it."""
    from shlex import quote

    text = click.format_filename(place)
    return quote(text if place.is_absolute() or "/" in text else f"./{text}")
