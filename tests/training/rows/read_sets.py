"""Reads data sets of the Hub, each in turn: `data` as JSON lines on stdin, what came of it on
stdout. A process of its own, because the Hub's clients read their environment when imported."""

import json
import sys
from pathlib import Path

from training.contract.config import Data
from training.contract.errors import TrainingError
from training.rows.read import read_evaluation, read_rows
from training.rows.row import Row

for line in sys.stdin:
    data = Data.model_validate_json(line)
    try:
        train, held_out = (
            [[row.where, row.columns] for row in rows if isinstance(row, Row)]
            for rows in (read_rows(data, Path()), read_evaluation(data, Path()))
        )
        print(json.dumps({"train": train, "held_out": held_out}))
    except TrainingError as error:
        said = {"code": error.code, "message": error.message, "remedy": error.remedy}
        print(json.dumps(said | {"exit": int(error.exit_code)}))
