"""Every command in a real terminal of 80 and of 160 columns, typed into tmux at a lab of two nodes.

    python -m tests.screens [--columns N]… [--only REGEX] [--lab NAME] [--file FILE] [--write]

`--only` types the lines that REGEX is found in. `--file`: the cluster file of a lab that is there,
which is neither started nor removed; its runs are deleted. `--write` makes docs/screens/80.md and
160.md. Takes some ten minutes a width. Exits with 1 when a command has no line in scenario.py, or
one did not end.
"""

import argparse
import re
import shutil
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from subprocess import TimeoutExpired

from orchestrator.errors import LabError
from tests.screens.page import page, replaced
from tests.screens.scenario import SCENARIO, Screen, helps, of_no_command, without_a_screen
from tests.screens.terminal import NoTmuxError, terminal

ROOT = Path(__file__).parents[2]
CHATS = ROOT / "tests" / "cases" / "data" / "01-sharegpt" / "a.jsonl"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--columns", type=int, action="append")
    parser.add_argument("--only", default="")
    parser.add_argument("--lab", default="screens")
    parser.add_argument("--file", type=Path)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    if faults := [f"no screen types: {words}" for words in without_a_screen()] + [
        f"there is no such command: {line}" for line in of_no_command()
    ]:
        print(*faults, "Mend SCENARIO in tests/screens/scenario.py.", sep="\n", file=sys.stderr)
        return 1
    chosen = [s for s in (*helps(), *SCENARIO) if re.search(options.only, s.command)]
    widths = options.columns or [80, 160]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        shutil.copy(CHATS, Path(folder) / "chats.jsonl")
        for number, columns in enumerate(widths):
            last = number == len(widths) - 1
            skipped = ("lab up --name", "lab down --name") if options.file else ()
            skipped = skipped if last else (*skipped, "lab down --name")
            screens = [s for s in chosen if not s.command.startswith(skipped)]
            try:
                shown = _typed(screens, columns, Path(folder), options.lab, options.file)
            except (NoTmuxError, LabError, TimeoutExpired) as error:
                print(error, file=sys.stderr)
                return 1
            if options.write:
                text = page(columns, shown, datetime.now(UTC).date())
                file = ROOT / "docs" / "screens" / f"{columns}.md"
                file.parent.mkdir(exist_ok=True)
                file.write_text(text, encoding="utf-8")
    return 0


def _typed(
    screens: list[Screen], columns: int, folder: Path, lab: str, file: Path | None
) -> list[str]:
    for fetched in folder.glob("tiny-llama-*"):  # of the width before
        shutil.rmtree(fetched)
    shown = list[str]()
    with terminal(columns, folder, sys.executable, ROOT, file) as here:
        for screen in screens:
            began, command = time.monotonic(), screen.command.format(lab=lab)
            shown.append(replaced(here.show(screen, command), folder))
            took = time.monotonic() - began
            print(f"{shown[-1]}\n({columns} columns, {took:.0f} s)\n", flush=True)
    return shown


if __name__ == "__main__":
    sys.exit(main())
