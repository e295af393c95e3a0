"""The wheel: built once, unpacked, and used from another folder without the checkout."""

import os
import re
import subprocess
import sys
import tarfile
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

from orchestrator import __version__
from orchestrator.artifacts.image import image_recipe
from orchestrator.engines.torch.image import contents
from orchestrator.resources.registry import REGISTRY
from orchestrator.spec.shipped import stack_names
from tests.support.clusters import EXAMPLE, ROOT
from tests.support.distribution import built

pytestmark = pytest.mark.patient


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    wheel = built("wheel", folder)
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "unpacked")
    return folder / "unpacked"


def python(unpacked: Path, *args: str) -> subprocess.CompletedProcess[str]:
    """Python that finds the unpacked wheel before the checkout."""
    env = {**os.environ, "PYTHONPATH": str(unpacked), "HOME": str(unpacked)}
    return subprocess.run(
        [sys.executable, *args],
        cwd=unpacked.parent,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )


def sources(folder: Path) -> set[str]:
    return {
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


@pytest.mark.parametrize("folder", ["orchestrator", "training"])
def test_the_packages_are_whole(folder: str, unpacked: Path) -> None:
    packed = {name for name in sources(unpacked / folder) if not name.startswith("_assets/")}
    assert packed == sources(ROOT / folder)


@pytest.mark.parametrize("folder", ["templates", "stacks", "entrypoints", "examples", "docs"])
def test_the_data_folders_are_whole(folder: str, unpacked: Path) -> None:
    packed = unpacked / "orchestrator" / "_assets" / folder
    assert sources(packed) == sources(ROOT / folder)
    for name in sources(packed):
        assert (packed / name).read_bytes() == (ROOT / folder / name).read_bytes()


def test_nothing_else_is_in_it(unpacked: Path) -> None:
    top = {path.name for path in unpacked.iterdir() if not path.name.endswith(".dist-info")}
    assert top == {"orchestrator", "training"}


def test_a_wheel_made_from_the_sdist_has_the_same_files(unpacked: Path, tmp_path: Path) -> None:
    with tarfile.open(built("sdist", tmp_path)) as archive:
        archive.extractall(tmp_path / "source", filter="data")
    (source,) = (tmp_path / "source").iterdir()
    with zipfile.ZipFile(built("wheel", tmp_path, source)) as wheel:
        assert set(wheel.namelist()) == sources(unpacked)


def test_the_wheel_is_what_is_used_there(unpacked: Path) -> None:
    code = "import orchestrator, training; print(orchestrator.__file__, training.__file__)"
    used = python(unpacked, "-c", code).stdout.split()
    assert all(Path(file).is_relative_to(unpacked) for file in used)
    assert len(used) == 2


def test_a_dry_run_from_the_wheel(unpacked: Path) -> None:
    done = python(
        unpacked, "-m", "orchestrator", "-f", str(EXAMPLE), "train", "llama3-70b-lora", "--render"
    )
    assert done.returncode == 0, done.stderr
    assert "mode: replicated-job" in done.stdout
    base = "nvcr.io/nvidia/pytorch:26.07-py3"
    assert (
        f"# image {image_recipe(base, contents()).tag}: built on every node from {base}"
        in done.stdout
    )


def test_the_resources_are_found_in_a_wheel(unpacked: Path) -> None:
    code = "from orchestrator.resources.registry import REGISTRY as r; print(*map(repr, r))"
    assert python(unpacked, "-c", code).stdout.strip() == " ".join(map(repr, REGISTRY))


def test_the_image_is_the_same_from_a_wheel_and_from_a_checkout(unpacked: Path) -> None:
    code = (
        "from orchestrator.artifacts.image import image_recipe as r\n"
        "from orchestrator.engines.torch.image import contents\n"
        "print(r('base', contents()).tag)"
    )
    done = python(unpacked, "-c", code)
    assert done.stdout.strip() == image_recipe("base", contents()).tag


def test_documents_that_messages_name_are_in_it(unpacked: Path) -> None:
    """Every text in the code that names one: a wheel has no checkout to look into."""
    named = {
        name
        for path in (ROOT / "orchestrator").rglob("*.py")
        for name in re.findall(r"\b(?:docs|examples)/[\w/-]+\.\w+", path.read_text("utf-8"))
    }
    assert "docs/reference.md" in named
    for name in named:
        assert (unpacked / "orchestrator/_assets" / name).is_file(), name


def test_a_hint_names_the_document_where_it_lies(unpacked: Path) -> None:
    code = "from orchestrator.assets import located as l; print(l('see docs/engines.md, please'))"
    place = unpacked / "orchestrator/_assets/docs/engines.md"
    assert python(unpacked, "-c", code).stdout == f"see {place}, please\n"


def test_the_version_is_that_of_the_code(unpacked: Path) -> None:
    (metadata,) = unpacked.glob("*.dist-info/METADATA")
    fields = Parser().parsestr(metadata.read_text(encoding="utf-8"))
    assert (fields["Name"], fields["Version"]) == ("dgx-sparkctl", __version__)
    assert fields["Requires-Python"] == ">=3.11"
    assert set(fields.get_all("Provides-Extra", [])) == {"train", "trackers", "dev"}
    done = python(unpacked, "-m", "orchestrator", "--version")
    assert done.stdout.split()[-1] == __version__


def test_stacks_of_the_wheel(unpacked: Path) -> None:
    done = python(unpacked, "-m", "orchestrator", "train", "no-such-stack", "-f", str(EXAMPLE))
    assert done.returncode == 3
    for name in stack_names():
        assert name in done.stderr
