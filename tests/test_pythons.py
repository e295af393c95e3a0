"""The wheel in an environment of each Python that it is for, as far as this computer has them."""

import subprocess
from pathlib import Path

import pytest

from orchestrator.artifacts.image import image_recipe
from orchestrator.engines.torch.image import contents
from tests.support.distribution import built
from tests.support.installed import install, interpreter, outside

pytestmark = pytest.mark.patient

CODE = """
import importlib, pkgutil, orchestrator
from training import contract, gang, plan

for room in (orchestrator, contract, gang, plan):
    for found in pkgutil.walk_packages(room.__path__, room.__name__ + "."):
        if not found.name.endswith("__main__") and ".lab.files" not in found.name:
            importlib.import_module(found.name)

from orchestrator.artifacts.image import image_recipe
from orchestrator.engines.torch.image import contents
from orchestrator.spec.load import load_stack
from orchestrator.spec.shipped import stack_names

for name in stack_names():
    load_stack(name)
print(image_recipe("base", contents()).tag)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built("wheel", tmp_path_factory.mktemp("wheel"))


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13", "3.14"])
def test_it_installs_and_every_module_is_read_without_a_warning(
    version: str, wheel: Path, tmp_path: Path
) -> None:
    if (python := interpreter(version)) is None:
        pytest.skip(f"there is no Python {version} on this computer")
    installed = install(wheel, tmp_path, python)
    command = [installed.python, "-W", "error", "-c", CODE]
    done = subprocess.run(
        command, env=outside(), cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == image_recipe("base", contents()).tag
    said = subprocess.check_output([installed.program, "--help"], env=outside(), text=True)
    assert "Usage: sparkctl" in said
