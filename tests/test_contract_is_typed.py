"""A field of the contract that gets another name is an error of mypy on the side that reads it."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.clusters import ROOT

pytestmark = pytest.mark.patient

RENAMED = {
    "events.py": "tokens_per_second",
    "heartbeat.py": "phase",
    "verdict.py": "tail",
    "record.py": "image",
}
READERS = ("orchestrator.ui.run_table", "orchestrator.ui.run_view", "orchestrator.runs.summary")
CONFIG = """\
[mypy]
strict = True
plugins = pydantic.mypy
[mypy-docker.*,paramiko.*,cryptography.*,rich.*,requests.*,yaml.*,jinja2.*,click.*]
follow_imports = skip
"""


@pytest.fixture(scope="module")
def errors(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What mypy says of the controller in a copy in which these fields have other names."""
    copy = tmp_path_factory.mktemp("copy")
    for package in ("orchestrator", "training"):
        shutil.copytree(ROOT / package, copy / package, ignore=shutil.ignore_patterns("*.pyc"))
    for name, field in RENAMED.items():
        file = copy / "training" / "contract" / name
        text, count = re.subn(rf"^    {field}: ", f"    {field}_: ", file.read_text(), flags=re.M)
        assert count
        file.write_text(text)
    (copy / "mypy.ini").write_text(CONFIG)
    modules = [word for module in READERS for word in ("-m", module)]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file=mypy.ini", *modules],
        cwd=copy, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("field", RENAMED.values())
def test_a_renamed_field_is_an_error_on_the_other_side(errors: str, field: str) -> None:
    lines = [line for line in errors.splitlines() if line.startswith("orchestrator/")]
    assert any(f'has no attribute "{field}"' in line for line in lines), errors


def test_the_contract_needs_nothing_but_pydantic() -> None:
    """So both sides can have it: the supervisor starts in a moment, the controller has no torch."""
    names = [path.stem for path in Path(ROOT / "training" / "contract").glob("*.py")]
    imports = "".join(f"import training.contract.{n}\n" for n in names if n != "__init__")
    code = (
        f"import json, sys\n{imports}"
        "tops = {name.partition('.')[0] for name in sys.modules} - set(sys.stdlib_module_names)\n"
        "ours = [name for name in sys.modules if name.startswith('training')]\n"
        "print(json.dumps([ours, sorted(tops)]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    ours, others = json.loads(done.stdout)
    assert all(name == "training" or name.startswith("training.contract") for name in ours)
    assert not {"torch", "docker", "orchestrator", "rich"} & set(others)
