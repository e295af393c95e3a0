"""The supervisors alone, as an image of another engine installs them: they need pydantic."""

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from tests.support.clusters import ROOT

PYDANTIC = ("pydantic", "pydantic_core", "annotated_types", "typing_inspection")

ALL = """
import importlib, pkgutil, sys, training.contract, training.gang
for package in (training.contract, training.gang):
    for module in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
        importlib.import_module(module.name)
print(training.gang.__file__)
"""


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the wheel brings, and pydantic."""
    folder = tmp_path_factory.mktemp("gang")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT / "training/gang", check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    site = folder / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    installed = Path(sysconfig.get_path("purelib"))
    for name in PYDANTIC:
        (site / name).symlink_to(installed / name)
    (site / "typing_extensions.py").symlink_to(installed / "typing_extensions.py")
    return site


def test_it_brings_contract_and_gang(alone: Path) -> None:
    ours = {path.relative_to(alone).parts[:2] for path in alone.glob("training/**/*.py")}
    assert ours == {("training", "__init__.py"), ("training", "contract"), ("training", "gang")}
    (metadata,) = alone.glob("*.dist-info/METADATA")
    needs = [line for line in metadata.read_text().splitlines() if line.startswith("Requires-Dist")]
    assert [line.split()[1].partition(">")[0] for line in needs] == ["pydantic"]


def test_it_needs_nothing_else(alone: Path) -> None:
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(alone)}
    command = [sys.executable, "-S", "-c", ALL]
    done = subprocess.run(
        command, cwd=alone.parent, env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert str(alone) in done.stdout


def test_started_by_hand_it_says_what_is_missing(alone: Path) -> None:
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(alone)}
    command = [sys.executable, "-S", "-m", "training.gang", "true"]
    done = subprocess.run(
        command, cwd=alone.parent, env=environ, capture_output=True, text=True, check=False
    )
    assert "SPARKCTL_RUN_DIR is not set" in done.stderr
    assert "Traceback" not in done.stderr
