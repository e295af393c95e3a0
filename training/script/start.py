"""`python -m training.script.start FOLDER LAUNCHER FILE ARGUMENTS…`: become a script's launcher.

The working folder is `work/` in the run folder. What is in the script's folder is linked there, so
that a script finds its files beside itself, and what it writes stays with the run.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from training.contract.environment import text_of
from training.contract.errors import ConfigurationError

WORK = "work"
SITE = Path(__file__).parent / "site"
OURS = str(Path(__file__).parents[2])
"""On Python's path for the supervisor alone."""
ACCELERATE = "SPARKCTL_ACCELERATE_CONFIG"


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> None:
    """Does not return. Raises ConfigurationError where there is no such script."""
    folder, launcher, file, *rest = arguments
    script = Path(folder, file)
    if not script.is_file():
        raise ConfigurationError("script_missing", f"there is no {file} in {folder} on this node")
    work = Path(text_of(environ, "SPARKCTL_RUN_DIR"), WORK)
    link_all(Path(folder), work)
    os.chdir(work)
    command = command_of(launcher, str(script), rest, environ)
    os.execvpe(command[0], command, environment_of(launcher, environ))


def link_all(folder: Path, work: Path) -> None:
    """Links to everything in the folder, but for what has that name already or is hidden."""
    work.mkdir(exist_ok=True)
    for entry in sorted(folder.iterdir()):
        link = work / entry.name
        if not entry.name.startswith(".") and not link.exists():
            link.unlink(missing_ok=True)
            link.symlink_to(entry)


def command_of(
    launcher: str, script: str, rest: Sequence[str], environ: Mapping[str, str]
) -> list[str]:
    """What to execute: one process of the script on this node."""
    if launcher == "accelerate":
        config = text_of(environ, ACCELERATE)
        before = ["-m", "accelerate.commands.launch", "--config_file", config]
    elif launcher == "torchrun":
        before = [
            "-m", "torch.distributed.run", "--nproc-per-node", "1", "--max-restarts", "0",
            "--nnodes", text_of(environ, "SPARKCTL_WORLD_SIZE"),
            "--node-rank", text_of(environ, "SPARKCTL_RANK"),
            "--master-addr", text_of(environ, "MASTER_ADDR"),
            "--master-port", text_of(environ, "MASTER_PORT"),
        ]  # fmt: skip
    else:
        before = []
    return [sys.executable, *before, script, *rest]


def environment_of(launcher: str, environ: Mapping[str, str]) -> dict[str, str]:
    """Of the launcher: ours, with `site/` instead of our packages on Python's path."""
    ranks = {
        "RANK": environ.get("SPARKCTL_RANK", "0"),
        "WORLD_SIZE": environ.get("SPARKCTL_WORLD_SIZE", "1"),
        "LOCAL_RANK": "0",
        "LOCAL_WORLD_SIZE": "1",
    }
    path = [entry for entry in environ.get("PYTHONPATH", "").split(":") if entry not in ("", OURS)]
    return {
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        **environ,
        "PYTHONPATH": ":".join((str(SITE), *path)),
        "SPARKCTL_LAUNCHER": launcher,
        # A single one is started as by hand: some scripts go by whether the variables are there.
        **(ranks if launcher == "python" and ranks["WORLD_SIZE"] != "1" else {}),
    }


if __name__ == "__main__":
    try:
        main(sys.argv[1:], os.environ)
    except ConfigurationError as error:
        print(f"{error.code}: {error.message} {error.remedy}", file=sys.stderr)
        sys.exit(int(error.exit_code))
