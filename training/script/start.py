"""`python -m training.script.start FOLDER LAUNCHER FILE ARGUMENTS…`: become a script's launcher.

The working folder is `work/` in the run folder. What is in the script's folder is linked there, so
that a script finds its files beside itself, and what it writes stays with the run.
"""

import errno
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from training.contract.environment import rank_of, text_of
from training.contract.errors import ConfigurationError, TrainingError, writing
from training.contract.events import Error

WORK = "work"
SITE = Path(__file__).parent / "site"
OURS = str(Path(__file__).parents[2])
"""On Python's path for the supervisor alone."""
ACCELERATE = "SPARKCTL_ACCELERATE_CONFIG"


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> None:
    """Does not return. Raises TrainingError where there is no such script, or no room."""
    folder, launcher, file, *rest = arguments
    script = Path(folder, file)
    work = Path(text_of(environ, "SPARKCTL_RUN_DIR"), WORK)
    try:
        if not script.is_file():
            raise FileNotFoundError(errno.ENOENT, "there is no such file", str(script))
        entries = sorted(Path(folder).iterdir())
    except OSError as refused:
        raise ConfigurationError(
            "script_missing",
            f"{file} cannot be read in {folder} on this node: {refused.strerror}",
            "script.file is a path in script.folder or script.node_folder, and the login user must "
            "be able to read both.",
        ) from None
    with writing(work):
        link_all(entries, work)
    os.chdir(work)
    command = command_of(launcher, str(script), rest, environ)
    os.execvpe(command[0], command, environment_of(launcher, environ))


def link_all(entries: Sequence[Path], work: Path) -> None:
    """Links to them, but for what has that name already or is hidden."""
    work.mkdir(exist_ok=True)
    for entry in entries:
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
    except TrainingError as error:
        told = Error(
            rank=rank_of(os.environ), code=error.code, message=error.message, help=error.remedy,
            exit_code=error.exit_code, seconds=0.0,
        )  # fmt: skip
        print(told.model_dump_json())
        sys.exit(int(error.exit_code))
