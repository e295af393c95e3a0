"""Documents that are made from code: schemas, errors, keys. `--update-golden` writes them anew."""

import json
import re
from pathlib import Path
from typing import Any

import click
import pytest
from pydantic import BaseModel

from orchestrator import errors
from orchestrator.cli.main import cli
from orchestrator.doctor.check import Check, Command, OfCluster, OfGang, OfMachine, OfRank
from orchestrator.doctor.found import checks_before
from orchestrator.engines.spec import EngineSpec
from orchestrator.errors import SparkctlError
from orchestrator.runs.outlook import DryRun
from orchestrator.spec.cluster import ClusterSpec
from orchestrator.spec.data_report import DataReport
from orchestrator.spec.describe import as_table, keys_of
from orchestrator.spec.explanation import Explanations
from orchestrator.spec.load import load_cluster
from orchestrator.spec.parse import parse_document
from orchestrator.spec.stack import StackSpec
from orchestrator.spec.stack_report import StacksReport
from orchestrator.spec.validate import validate
from orchestrator.ui.init_view import InitReport
from orchestrator.ui.report import ClusterReport
from orchestrator.ui.run_json import RunLines
from orchestrator.ui.runs_report import RunsReport
from tests.support.clusters import ROOT
from tests.support.families import Row, page_of, rows_of
from tests.support.generated import Generated
from training.contract.events import Step

SCHEMAS: dict[str, type[BaseModel]] = {
    "cluster": ClusterSpec,
    "stack": StackSpec,
    "engine": EngineSpec,
    "cluster-report": ClusterReport,
    "init-report": InitReport,
    "runs-report": RunsReport,
    "run-events": RunLines,
    "stacks-report": StacksReport,
    "explanations": Explanations,
    "dry-run": DryRun,
    "data-report": DataReport,
}
TABLES: dict[str, dict[str, type[BaseModel]]] = {
    "docs/reference.md": {"cluster": ClusterSpec, "stack": StackSpec, "step": Step},
    "docs/engines.md": {"engine": EngineSpec},
}
PAGES = [
    *sorted((ROOT / "docs").rglob("*.md")),
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md")),
]
KINDS = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, SparkctlError)
]


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_json_schema(name: str, generated: Generated) -> None:
    # A report is written, a file is read: what has a default is always in the former.
    written = ("run", "dry-", "cluster-", "stacks-", "explanations", "init-")
    mode = "serialization" if name.startswith(written) else "validation"
    schema = SCHEMAS[name].model_json_schema(mode=mode)  # type: ignore[arg-type]
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    text = json.dumps(head | schema, indent=2, ensure_ascii=False) + "\n"
    generated(f"docs/schema/{name}.json", text)


def test_the_list_of_errors(generated: Generated) -> None:
    rows = [
        f"| {kind.code} | `{kind.__name__}` | {kind.exit_code} | {_first_line(kind)} |"
        for kind in sorted(KINDS, key=lambda kind: kind.code)
    ]
    text = [
        "# Errors",
        "",
        "Every error has a code that stays, says what happened and on which machine, shows the",
        "literal lines, and says how to fix it. Generated from `orchestrator/errors.py`.",
        "",
        "| code | class | exit code | |",
        "|---|---|---|---|",
        *rows,
        "",
        "Other exit codes: 0 done; 1 several kinds of errors, no E5xx, or a fault of sparkctl;",
        "2 wrong usage; 130, 143 or 129 stopped by Ctrl-C, SIGTERM or SIGHUP; 141 nobody reads the",
        "output any more. A report (`--json`) has the code in `error.code`.",
    ]
    generated("docs/errors.md", "\n".join(text) + "\n")


ASKED: dict[type[Check[Any]], str] = {
    OfMachine: "each machine",
    OfCluster: "all machines",
    OfRank: "each machine of the run",
    OfGang: "all machines of the run",
}
BEFORE: dict[Command, list[str]] = {
    "up": [
        "## Before `sparkctl cluster up`",
        "",
        "`plan` and `status` ask the same. The first problem of each machine is reported.",
    ],
    "down": ["## Before `sparkctl cluster down`"],
    "train": [
        "## Before `sparkctl train` and `sparkctl runs resume`",
        "",
        "The machines are read in one round trip; all that is wrong is told at once.",
        "`--skip-check NAME` leaves out all rows of that name.",
    ],
}


def test_the_list_of_checks(generated: Generated) -> None:
    text = [
        "# Checks",
        "",
        "What is looked at before machines are changed, and before a run. A check changes nothing.",
        "Generated from `orchestrator/doctor`, in the order in which they are asked.",
    ]
    for command, head in BEFORE.items():
        text += ["", *head, "", "| name | what must hold | of | else | why | what to do |"]
        text += ["|---|---|---|---|---|---|"]
        text += [_row(check) for check in checks_before(command)]
    generated("docs/checks.md", "\n".join(text) + "\n")


def _row(check: Check[Any]) -> str:
    holds, stops = check.look.__name__.replace("_", " "), "warns" if check.warns else "stops"
    cells = [f"`{check.name}`", holds, ASKED[type(check)], stops, check.why, check.fix]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def test_the_page_of_models(generated: Generated) -> None:
    generated("docs/models.md", page_of(rows_of(ROOT / "docs" / "families.jsonl")))


def test_a_family_has_its_newest_outcome_of_each_kind() -> None:
    old = {
        "family": "qwen3", "architecture": "Qwen3ForCausalLM", "method": "lora", "strategy": "ddp",
        "outcome": "wrong", "where": "2 ranks on a CPU", "date": "2026-11-27",
    }  # fmt: skip
    new = old | {"outcome": "trains", "date": "2026-11-28", "where": "GB10"}
    other = old | {"strategy": "sharded", "outcome": "refused"}
    page = page_of([Row.model_validate(row) for row in (new, old, other)])
    assert page.splitlines()[-1] == (
        "| qwen3 | `Qwen3ForCausalLM` | yes | refused | - | - | - | GB10, 2 ranks on a CPU | "
        "2026-11-28 |"
    )


def test_the_tables_of_keys(generated: Generated) -> None:
    """Between `<!-- cluster -->` and `<!-- /cluster -->`, and the same for the others."""
    for page, models in TABLES.items():
        text = (ROOT / page).read_text(encoding="utf-8")
        for name, model in models.items():
            table = f"<!-- {name} -->\n{as_table(keys_of(model))}<!-- /{name} -->"
            pattern = rf"<!-- {name} -->\n.*?<!-- /{name} -->"
            text, count = re.subn(pattern, lambda _, t=table: t, text, flags=re.DOTALL)
            assert count == 1
        generated(page, text)


@pytest.mark.parametrize("model", SCHEMAS.values(), ids=SCHEMAS)
def test_every_key_says_what_it_is_for(model: type[BaseModel]) -> None:
    said_by_name = {"name", "kind", "apiVersion"}
    for key in keys_of(model):
        leaf = key.path.rpartition(".")[2].removesuffix("[]")
        if model is not ClusterReport and leaf not in said_by_name:
            assert key.text, f"{key.path} has no words"


def test_codes_of_errors_are_unique() -> None:
    codes = [kind.code for kind in KINDS]
    assert len(set(codes)) == len(codes)


def test_the_tree_in_the_docstring_is_the_tree_of_the_classes() -> None:
    tree = re.findall(r"^    ([│├└─ ]*)(\w+Errors?)", str(errors.__doc__), flags=re.MULTILINE)
    assert {name for _, name in tree} == {kind.__name__ for kind in KINDS}
    parents: dict[int, str] = {}
    for branches, name in tree:
        depth = len(branches) // 4
        parents[depth] = name
        if depth:
            kind = getattr(errors, name)
            assert kind.__mro__[1].__name__ == parents[depth - 1]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_between_documents_lead_somewhere(path: Path) -> None:
    """Files, and headings in them."""
    for target in re.findall(r"\]\(([^)]+)\)", path.read_text(encoding="utf-8")):
        if "://" in target:
            continue
        name, _, heading = target.partition("#")
        other = (path.parent / name) if name else path
        assert other.exists(), f"{path.name} -> {target}"
        if heading:
            text = other.read_text(encoding="utf-8")
            lines = re.findall(
                r"^#+ (.*)$", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S), re.M
            )
            assert heading in [_anchor(line) for line in lines], f"{path.name} -> {target}"


def _anchor(heading: str) -> str:
    """As GitHub makes one of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_files_that_documents_name_are_there() -> None:
    """`tests/…`, `orchestrator/…`, `training/…` in backticks, when they are whole names."""
    pattern = (
        r"`((?:tests|orchestrator|training|templates|stacks|examples)/[\w./-]+\.\w+)(?:::\w+)?`"
    )
    for path in PAGES:
        for name in re.findall(pattern, path.read_text(encoding="utf-8")):
            assert (ROOT / name).exists(), f"{path.name} names {name}"


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (path, text)
        for path in PAGES
        for text in re.findall(r"^```yaml\n(.*?)^```", path.read_text("utf-8"), re.M | re.S)
    ],
    ids=lambda given: given.name if isinstance(given, Path) else "",
)
def test_yaml_in_documents_is_taken(path: Path, text: str) -> None:
    """A cluster file, an engine, a stack, or a part of one."""
    document = parse_document(text, source=path.name)
    if document.data.get("kind") == "Cluster":
        validate(ClusterSpec, document)
    elif document.data.get("kind") == "Engine":
        validate(EngineSpec, document)
    elif document.data.get("kind") == "Stack":
        validate(StackSpec, document)
    else:
        shipped = (ROOT / "stacks/tiny-llama-lora.yaml").read_text("utf-8")
        whole = parse_document(shipped, source=path.name)
        for key, value in document.data.items():
            whole.override((key,), value, path.name)
        validate(StackSpec, whole)


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.yaml")), ids=lambda p: p.name)
def test_an_example_is_taken(path: Path) -> None:
    load_cluster(path)


def test_the_demo_of_the_readme_is_that_of_its_page() -> None:
    def lines(page: Path) -> list[str]:
        blocks = re.findall(r"^```console\n(.*?)^```", page.read_text("utf-8"), re.M | re.S)
        (demo,) = (block for block in blocks if "$ diff before.txt after.txt" in block)
        return [" ".join(line.split()) for line in demo.splitlines() if line != "…"]

    shown, whole = lines(ROOT / "README.md"), lines(ROOT / "docs" / "demo.md")
    assert 8 < len(shown) <= 15
    assert [line for line in shown if line not in whole] == []


def _first_line(kind: type[SparkctlError]) -> str:
    return str(kind.__doc__).strip().splitlines()[0]


def _commands(group: click.Group, path: str = "") -> dict[str, click.Command]:
    """Every command that does something, by its words."""
    found: dict[str, click.Command] = {}
    context = click.Context(group)
    for name in group.list_commands(context):
        words, command = f"{path} {name}".strip(), group.get_command(context, name)
        assert command is not None
        found |= _commands(command, words) if isinstance(command, click.Group) else {words: command}
    return found


@pytest.mark.parametrize("words", _commands(cli))
def test_the_reference_has_every_command_with_its_options(words: str) -> None:
    text = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    table = [line for line in text.splitlines() if line.startswith("| `sparkctl ")]
    (row,) = (line for line in table if re.search(rf"`(sparkctl )?{words}\b", line))
    for parameter in _commands(cli)[words].params:
        if isinstance(parameter, click.Option) and "--file" not in parameter.opts:  # said above
            name = parameter.secondary_opts or parameter.opts  # a switch is told by its off
            assert name[-1] in row, row
