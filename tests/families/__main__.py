"""Every checkpoint of a folder, trained on two ranks and compared with transformers and peft.

    python -m tests.families MODELS [--only REGEX] [--lora] [--write]

Prints a table, a line for each folder of MODELS that has a config.json; exits with 1 when one is
wrong. `--lora` leaves full fine-tuning out; `--write` puts what was seen into docs/families.jsonl,
from which docs/models.md is made.
"""

import argparse
import re
import sys
import tempfile
import warnings
from pathlib import Path

from tests.families.trial import COLUMNS, trial
from tests.support.families import keep
from training.ranks.log_levels import silence_libraries

ROOT = Path(__file__).parents[2]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", type=Path)
    parser.add_argument("--only", default="")
    parser.add_argument("--lora", action="store_true")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    silence_libraries()
    warnings.simplefilter("ignore")
    folders = sorted(file.parent for file in options.models.glob("*/config.json"))
    chosen = [folder for folder in folders if re.search(options.only, folder.name)]
    if not chosen:
        print(f"{options.models}: no folder with a config.json", file=sys.stderr)
        return 1
    print(f"| checkpoint | class | {' | '.join(COLUMNS)} | |")
    print("|---" * (len(COLUMNS) + 3) + "|", flush=True)
    wrong = 0
    for folder in chosen:
        with tempfile.TemporaryDirectory() as work:
            outcome = trial(folder.resolve(), Path(work), full=not options.lora)
        wrong += bool(outcome.wrong)
        print(outcome.line, flush=True)
        if options.write:
            keep(outcome.rows, ROOT / "docs")
    print(f"\n{len(chosen) - wrong} of {len(chosen)} right")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
