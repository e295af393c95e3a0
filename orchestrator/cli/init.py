"""`sparkctl init [HOST …]`."""

from pathlib import Path

import click

from orchestrator.api.init import candidates, draft, look, may_write, write
from orchestrator.cli.asking import Terminal, is_terminal
from orchestrator.cli.options import json_option
from orchestrator.errors import PreflightError, SpecError
from orchestrator.ui.console import err, out
from orchestrator.ui.init_view import init_report, show_looked
from orchestrator.ui.plain import json_text, one_line


@click.command()
@click.argument("hosts", nargs=-1, metavar="[HOST]…")
@click.option("--name", default="sparks", show_default=True, help="The cluster's name.")
@click.option("--ssh-config", type=click.Path(dir_okay=False), metavar="FILE",
              help="Read this instead of ~/.ssh/config.")  # fmt: skip
@click.option("--check-only", is_flag=True, help="Look at the machines; write no file.")
@click.option("--force", is_flag=True, help="Overwrite the file if it is there.")
@click.option("-y", "--yes", is_flag=True, help="Ask nothing; an unknown host key stays unknown.")
@json_option
@click.pass_obj
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

    \b
      sparkctl init spark-a.local spark-b.local
      sparkctl init localhost
    """
    person = Terminal(yes=yes, force=force, quiet=yes)
    drafted = draft(hosts or _chosen(ssh_config, yes), file, name=name, ssh_config=ssh_config)
    overwrite = not check_only and may_write(file, person)
    items = look(drafted.spec, person)
    if not as_json:
        show_looked(items, out())
    if not check_only:
        write(drafted, file, overwrite=overwrite)
    report = init_report(items, None if check_only else file)
    if as_json:
        click.echo(json_text(report, indent=2))
    else:
        _what_now(file, check_only)
    if not report.ok:
        open_ = sum(item.state == "fix" for item in items)
        raise PreflightError(
            f"{open_} of {len(items)} things are to be fixed",
            resolution="Each has its command in the list. Then look again: "
            f"sparkctl init --check-only {' '.join(map(one_line, hosts))}".rstrip(),
        )


def _chosen(ssh_config: str | None, yes: bool) -> list[str]:
    """Whoever sits at the terminal is asked."""
    known = candidates(ssh_config)
    if yes or not is_terminal():
        if known == ["localhost"]:
            return known
        raise SpecError(
            "no host is named, and there is nobody to ask",
            details=f"ssh_config and this computer have: {', '.join(known) or 'none'}",
            resolution="sparkctl init HOST HOST, such as spark-a.local spark-b.local",
        )
    err().print(f"Hosts of ssh_config, and this computer: {', '.join(known) or 'none'}")
    err().print("The network is not searched. A Spark is usually called spark-xxxx.local.")
    likely = " ".join(host for host in known if "spark" in host.lower() or host == "localhost")
    return str(
        click.prompt("Machines, the manager first", default=likely or None, err=True)
    ).split()


def _what_now(file: Path, check_only: bool) -> None:
    option = "" if file == Path("cluster.yaml") else f"-f {file} "
    if not check_only:
        out().print(f"written: {file}")
    out().print(
        f"next: sparkctl {option}cluster plan   shows what would change, and changes nothing"
    )
    out().print(f"      sparkctl {option}cluster up     makes it so")
