"""`sparkctl completion bash | zsh | fish`."""

import click

from orchestrator.cli.completing import VARIABLE
from orchestrator.cli.groups import Command


@click.command(
    cls=Command,
    examples=(
        "sparkctl completion bash > ~/.local/share/bash-completion/completions/sparkctl",
        'sparkctl completion zsh > "${fpath[1]}/_sparkctl"',
        "sparkctl completion fish > ~/.config/fish/completions/sparkctl.fish",
    ),
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print what makes SHELL complete commands, names and keys."""
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    assert found is not None, shell
    script = found(context.find_root().command, {}, "sparkctl", VARIABLE)
    click.echo(script.source())
