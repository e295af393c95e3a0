"""What a command imports before it has something to do: counted, since a timing proves nothing."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.test_main import cli, commands
from tests.support.clusters import ROOT

pytestmark = pytest.mark.patient

MODELS = ("pydantic", "pydantic_core", "orchestrator.spec.cluster", "orchestrator.spec.stack")
MACHINERY = (
    "paramiko",
    "cryptography",
    "docker",
    "requests",
    "urllib3",
    "jinja2",
    "tenacity",
    "orchestrator.node.node",
    "orchestrator.facts.machine",
    "orchestrator.doctor.check",
    "orchestrator.resources.base",
)
_RUN = """\
import json, sys
from orchestrator.cli import main
sys.argv = ["sparkctl", *sys.argv[1:]]
try:
    main.main()
except SystemExit as ended:
    code = ended.code
print(json.dumps([code, sorted(sys.modules)]))
"""


def imported(folder: Path, *words: str) -> tuple[int, set[str]]:
    """The exit code of a command, and all modules that it imported."""
    done = subprocess.run(
        [sys.executable, "-c", _RUN, *words],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "HOME": str(folder), "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    code, modules = json.loads(done.stdout.splitlines()[-1])
    return code, set(modules)


HELP = [("--version",), *((*path, "--help") for path in commands(cli))]


@pytest.mark.parametrize("words", HELP, ids=" ".join)
def test_help_imports_nothing_that_does_the_work(words: tuple[str, ...], tmp_path: Path) -> None:
    code, modules = imported(tmp_path, *words)
    assert code == 0
    assert modules & {*MODELS, *MACHINERY, "rich", "yaml"} == set()


READERS = [
    ("cluster", "plan"),
    ("cluster", "up"),
    ("cluster", "lock", "show"),
    ("train", "tiny-llama-lora"),
    ("runs", "list"),
    ("tensorboard",),
]


@pytest.mark.parametrize("words", READERS, ids=" ".join)
def test_a_file_that_is_not_there_needs_no_model(words: tuple[str, ...], tmp_path: Path) -> None:
    code, modules = imported(tmp_path, *words)
    assert code == 3
    assert modules & {*MODELS, *MACHINERY, "yaml"} == set()


@pytest.mark.parametrize("words", READERS, ids=" ".join)
def test_a_file_that_is_no_yaml_needs_no_model(words: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "cluster.yaml").write_text("nodes: [\n")
    code, modules = imported(tmp_path, *words)
    assert code == 3
    assert modules & {*MODELS, *MACHINERY} == set()


@pytest.mark.parametrize("words", READERS, ids=" ".join)
def test_a_wrong_key_needs_the_models_of_the_file_alone(
    words: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / "cluster.yaml").write_text("apiVersion: sparkctl/v1\nkind: Clustre\n")
    code, modules = imported(tmp_path, *words)
    assert code == 3
    assert modules & {*MACHINERY, "orchestrator.spec.stack"} == set()


def test_a_stack_that_is_not_there_needs_no_machinery(tmp_path: Path) -> None:
    file = ROOT / "examples" / "two-sparks.yaml"
    code, modules = imported(tmp_path, "train", "no-such", "-f", str(file))
    assert code == 3
    assert modules & {*MACHINERY, "orchestrator.spec.stack"} == set()


def test_what_is_imported_can_be_seen(tmp_path: Path) -> None:
    file = ROOT / "examples" / "two-sparks.yaml"
    _, modules = imported(tmp_path, "train", "tiny-llama-lora", "-f", str(file), "--dry-run")
    assert modules >= {*MODELS, "paramiko", "jinja2", "orchestrator.node.node"}
