"""`sparkctl data check`."""

from pathlib import Path

import click

from orchestrator.cli import completing
from orchestrator.cli.groups import Ordered
from orchestrator.cli.options import json_option
from orchestrator.ui.plain import json_text


@click.group(
    cls=Ordered,
    order=("check",),
    examples=(
        "sparkctl data check my-chats.jsonl",
        "sparkctl data check my-chats.jsonl --stack qwen3-8b-lora",
    ),
)
def data() -> None:
    """Data to train on: what a file holds, before a run reads it."""


@data.command(
    examples=(
        "sparkctl data check my-chats.jsonl",
        "sparkctl data check my-chats.jsonl --stack qwen3-8b-lora",
        "sparkctl data check my-chats.jsonl --set data.max_length=4096",
        "sparkctl data check my-chats.jsonl --json",
    )
)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--stack", shell_complete=completing.stacks,
              help="Read it as this stack would, with its model's tokenizer.")  # fmt: skip
@click.option("--set", "settings", metavar="KEY=VALUE", multiple=True,
              shell_complete=completing.settings,
              help="Override a key of the stack, e.g. data.max_length=4096.")  # fmt: skip
@json_option
def check(file: Path, stack: str | None, settings: tuple[str, ...], as_json: bool) -> None:
    """Check FILE, or a folder of files, on this computer: rows, tokens, what is learned.

    The exit code is 3 where a run could not start with it.
    """
    from orchestrator.api.data import check as checked
    from orchestrator.errors import SpecError
    from orchestrator.ui.console import out
    from orchestrator.ui.data_view import show_data

    report = checked(file, stack, settings)
    if as_json:
        click.echo(json_text(report, indent=2))
    else:
        show_data(report, out())
    if not report.usable:
        click.get_current_context().exit(SpecError.exit_code)
