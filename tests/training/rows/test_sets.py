"""Data sets of the Hub by the real `datasets` library, from a Hub on loopback."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import pytest

from orchestrator.spec.load import load_stack
from tests.support.clusters import ROOT
from tests.support.hub.repository import Repository
from tests.support.hub.server import Hub
from tests.support.hub.sets import cnn_dailymail, repositories, squad
from training.contract.config import Data

pytestmark = pytest.mark.torch

CNN = {"name": "abisee/cnn_dailymail", "config": "3.0.0"}
SQUAD = {"name": "rajpurkar/squad"}

READ: Mapping[str, Mapping[str, Any]] = {
    "configuration": CNN,
    "another": CNN | {"config": "1.0.0"},
    "only one": SQUAD,
    "split": SQUAD | {"split": "validation"},
    "half": CNN | {"split": "train[:50%]", "rows": 15, "held_out_rows": 5},
    "slice": CNN | {"split": "train[10:20]", "rows": 4, "held_out_rows": 1},
    "both": SQUAD | {"split": "train+validation"},
    "columns": SQUAD | {"columns": {"output": "answers.text.0", "input": "context"}, "rows": 2,
                        "held_out_rows": 1},
}  # fmt: skip
REFUSED: Mapping[str, tuple[Mapping[str, Any], str, str, str]] = {
    "no configuration": (CNN | {"config": None}, "data_invalid",
                         "several configurations: 1.0.0, 3.0.0", "Set config"),
    "unknown configuration": (CNN | {"config": "9"}, "data_invalid",
                              "no configuration 9; it has: 1.0.0, 3.0.0", "Set config"),
    "unknown split": (SQUAD | {"split": "test"}, "data_invalid",
                      "no split test; it has: train, validation", "train[:50%]"),
    "not a slice": (SQUAD | {"split": "train[a:]"}, "data_invalid", "split train[a:]: ",
                    "train[:50%]"),
    "empty split": (SQUAD | {"split": ""}, "data_invalid", "split : ", "train[:50%]"),
    "too small": (SQUAD | {"rows": 40}, "data_too_small", ("rajpurkar/squad has 40 rows; data.rows "
                  "and data.held_out_rows want 72"), "Lower"),
    "no rows": (SQUAD | {"split": "train[40:]"}, "data_invalid", "to no data", "train["),
    "script": ({"name": "org/script"}, "data_invalid", "made by a script (script.py)",
               "refs/convert/parquet"),
    "no data": ({"name": "org/empty"}, "data_invalid", "No (supported) data files found", "page"),
    "broken": ({"name": "org/broken"}, "data_invalid", "JSON parse error", "page"),
    "unknown": ({"name": "org/none"}, "hub_not_found", "org/none does not exist", "spelling"),
    "private": ({"name": "org/private"}, "hub_not_found", "org/private does not exist", "HF_TOKEN"),
    "gated": ({"name": "org/gated"}, "hub_gated", "org/gated is gated", "Accept the licence"),
    "revision": (SQUAD | {"revision": "v9"}, "data_invalid", "there is no revision v9", ""),
    "column": (SQUAD | {"columns": {"text": "article"}}, "data_invalid", ("rajpurkar/squad row 0: "
               "there is no column article; its columns are id, title, context, question, answers"),
               "data.columns"),
}  # fmt: skip


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What came of each, by its name."""
    folder = tmp_path_factory.mktemp("hub")
    others = {"script": "script.py", "empty": "logo.svg", "broken": "train.jsonl"}
    for name, file in others.items():
        (folder / name).mkdir()
        (folder / name / file).write_text('{"a": 1}\n{"a":')
    sets = repositories(folder) | {
        f"org/{name}": Repository(folder / name, kind="datasets") for name in others
    }
    gated = sets["rajpurkar/squad"].folder
    sets["org/gated"] = Repository(gated, kind="datasets", gated=True)
    sets["org/private"] = Repository(gated, kind="datasets", private=True)
    cases = {**READ, **{name: data for name, (data, *_) in REFUSED.items()}}
    cases |= {name: data_of(name).model_dump(mode="json") for name in RECIPES}
    with Hub(sets) as hub:
        done = subprocess.run(
            [sys.executable, "-m", "tests.training.rows.read_sets"],
            input="".join(json.dumps(data) + "\n" for data in cases.values()),
            env=os.environ
            | {"HF_ENDPOINT": hub.url, "HF_HUB_DISABLE_XET": "1", "HF_HUB_OFFLINE": "0"}
            | {"HF_HOME": str(tmp_path_factory.mktemp("home")), "PYTHONPATH": str(ROOT)},
            cwd=tmp_path_factory.mktemp("work"),
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    return dict(zip(cases, map(json.loads, done.stdout.splitlines()), strict=True))


RECIPES = ("llama3-70b-cnn-dailymail", "qwen3-8b-squad")


def data_of(recipe: str) -> Data:
    """Its own, of fewer rows."""
    training = load_stack(recipe, ("training.data.rows=8",)).training
    assert training is not None
    return training.data


def test_rows_of_a_configuration_a_split_and_a_part(found: dict[str, Any]) -> None:
    ids = [f"{n:04}" for n in range(60)]
    numbers = {
        name: [row["id"] for _, row in found[name]["train"]] for name in READ if name != "columns"
    }
    assert numbers == {
        "configuration": ids[:40],
        "another": ids[:41],
        "only one": ids[:40],
        "split": ids[:4],
        "half": ids[:20],
        "slice": ids[10:15],
        "both": ids[:40] + ids[:4],
    }


def test_a_row_says_where_it_is_and_keeps_what_it_has(found: dict[str, Any]) -> None:
    assert found["configuration"]["train"][7] == [
        "abisee/cnn_dailymail 3.0.0 row 7", cnn_dailymail(8)[7]
    ]  # fmt: skip
    assert found["only one"]["train"][39] == ["rajpurkar/squad row 39", squad(40)[39]]
    assert found["slice"]["train"][0][0] == "abisee/cnn_dailymail 3.0.0 train[10:20] row 0"
    assert found["columns"]["train"][2] == [
        "rajpurkar/squad row 2", {"output": "day 2", "input": "On day 2 it rained."}
    ]  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_there_is_told_with_what_is(name: str, found: dict[str, Any]) -> None:
    _, code, message, remedy = REFUSED[name]
    told = found[name]
    assert (told["code"], told["exit"], message in told["message"]) == (code, 78, True), told
    assert remedy in told["remedy"]


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_reads_its_data_set(recipe: str, found: dict[str, Any]) -> None:
    train, held_out = found[recipe]["train"], found[recipe]["held_out"]
    assert (len(train), len(held_out)) == (8, 4)
    assert held_out[0][0].endswith(" validation row 0")
    assert train[3][1] == {
        "llama3-70b-cnn-dailymail": {
            "instruction": "Day 3. It rained.", "output": "Rain on day 3."
        },
        "qwen3-8b-squad": {
            "instruction": "When did it rain?", "input": "On day 3 it rained.", "output": "day 3"
        },
    }[recipe]  # fmt: skip
