"""`sparkctl explain NAME`."""

import click

from orchestrator.cli import completing
from orchestrator.cli.groups import Command
from orchestrator.cli.options import json_option
from orchestrator.ui.plain import json_text


@click.command(
    cls=Command,
    examples=(
        "sparkctl explain lr",
        "sparkctl explain training.optim",
        "sparkctl explain cluster.nodes.ssh",
        "sparkctl explain E400",
        "sparkctl explain checks",
    ),
)
@click.argument("name", shell_complete=completing.explained)
@json_option
def explain(name: str, as_json: bool) -> None:
    """Explain NAME: a key of a file, an error's code, a check, how a run failed.

    A key is found by its last names. `stack`, `cluster` and `engine` have all keys of a file;
    `errors`, `checks` and `failures` list all of a kind.
    """
    from orchestrator.api.explain import explain as explanations
    from orchestrator.ui.console import out
    from orchestrator.ui.explain_view import show_explanations

    found = explanations(name)
    if as_json:
        click.echo(json_text(found, indent=2))
    else:
        show_explanations(found, out())
