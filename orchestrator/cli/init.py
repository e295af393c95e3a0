"""`sparkctl init [HOST …]`."""

from pathlib import Path

import click

from orchestrator.cli.asking import Terminal, is_terminal
from orchestrator.cli.cluster_file import pass_file
from orchestrator.cli.groups import Command
from orchestrator.cli.options import json_option


@click.command(
    cls=Command,
    examples=(
        "sparkctl init spark-a.local spark-b.local",
        "sparkctl init localhost",
        "sparkctl init --check-only",
    ),
)
@click.argument("hosts", nargs=-1, metavar="[HOST]…")
@click.option("--name", default="sparks", show_default=True, help="The cluster's name.")
@click.option("--ssh-config", type=click.Path(dir_okay=False), metavar="FILE",
              help="Read this instead of ~/.ssh/config.")  # fmt: skip
@click.option(
    "--check-only",
    is_flag=True,
    help="Look at the machines, those of the file when no HOST is given; write none.",
)
@click.option("--force", is_flag=True, help="Overwrite the file if it is there.")
@click.option("-y", "--yes", is_flag=True, help="Ask nothing; an unknown host key stays unknown.")
@json_option
@pass_file
def init(
    file: Path,
    hosts: tuple[str, ...],
    name: str,
    ssh_config: str | None,
    check_only: bool,
    force: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Look at the machines, list all that is to be fixed, and write the cluster file.

    HOST is what ssh takes (spark-a.local, nvidia@10.0.0.7, spark-a:2222, a Host of ssh_config), or
    localhost for the machine that you sit at. The first is the manager. Changes no machine.
    """
    from orchestrator.api.files import load_cluster
    from orchestrator.api.init import draft, look, may_write, write
    from orchestrator.errors import PreflightError
    from orchestrator.ui.console import out
    from orchestrator.ui.init_view import init_report, show_looked
    from orchestrator.ui.plain import json_text

    person, option = Terminal(yes=yes, force=force, quiet=yes), _named(file)
    if check_only and not hosts and file.exists():
        items, written = look(load_cluster(file), person), None
    else:
        named = hosts or _chosen(ssh_config, yes)
        drafted = draft(named, file, name=name, ssh_config=ssh_config)
        overwrite = not check_only and may_write(file, person)
        items, written = look(drafted.spec, person), None if check_only else file
    if not as_json:
        show_looked(items, out())
    if written is not None:
        write(drafted, written, overwrite=overwrite)
    report = init_report(items, written)
    if as_json:
        click.echo(json_text(report, indent=2))
    elif written is not None:
        out().print(f"written: {written}")
    if not report.ok:
        left = sum(item.state == "fix" for item in items)
        again = f"Then look again: sparkctl {option}init --check-only" if file.exists() else ""
        raise PreflightError(
            f"{left} of {len(items)} things are to be fixed",
            resolution=f"Each has its command in the list. {again}".rstrip(),
        )
    if not as_json:
        out().print(f"next: sparkctl {option}cluster plan   what would change; changes nothing")
        out().print(f"      sparkctl {option}cluster up     makes it so")


def _named(file: Path) -> str:
    """The option that names it, where it is not the usual one."""
    return "" if file == Path("cluster.yaml") else f"-f {file} "


def _chosen(ssh_config: str | None, yes: bool) -> list[str]:
    """Whoever sits at the terminal is asked."""
    from orchestrator.api.init import candidates, finder
    from orchestrator.errors import SpecError
    from orchestrator.ui.console import err
    from orchestrator.ui.plain import one_line

    asks = is_terminal() and not yes
    known = candidates(ssh_config, search=asks)
    if not asks:
        if known == ["localhost"]:
            return known
        raise SpecError(
            "no host is named, and there is nobody to ask",
            details=f"ssh_config and this computer have: {', '.join(known) or 'none'}",
            resolution="sparkctl init HOST HOST, such as spark-a.local spark-b.local",
        )
    where = f"the local network ({finder()})" if finder() else "not the network: no avahi-browse"
    err().print(f"Known here (ssh_config, this computer, {where}): {', '.join(known) or 'none'}")
    likely = " ".join(host for host in known if "spark" in host.lower() or host == "localhost")
    answer = click.prompt("Machines, the manager first", default=one_line(likely) or None, err=True)
    return str(answer).split()
