"""`sparkctl data check` on data as people bring them: what is printed, and the exit code.

tests/cases/data has the files, tests/golden/data what is said of each.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Sparkctl
from tests.support.clusters import ROOT
from tests.support.generated import Generated
from tests.support.tokens import CHAT, letters

CASES = ROOT / "tests" / "cases" / "data"
FILES = sorted(str(file.relative_to(CASES)) for file in CASES.rglob("*") if file.is_file())
CHATS = [
    {"messages": [{"role": "user", "content": f"{n} + 1?"}, {"role": "assistant", "content": "2"}]}
    for n in range(40)
]


@pytest.fixture
def cases(tmp_path: Path) -> Path:
    """Beside the command, so that names are short."""
    return shutil.copytree(CASES, tmp_path / "data")


def test_there_are_cases() -> None:
    assert len(FILES) > 30


@pytest.mark.parametrize("file", FILES)
def test_what_is_said_of_a_file(
    file: str, cases: Path, sparkctl: Sparkctl, generated: Generated
) -> None:
    ran = sparkctl("data", "check", f"data/{file}", "--set", "data.held_out_rows=4")
    assert str(cases.parent) not in ran.stdout
    generated(f"tests/golden/data/{file}.txt", f"{ran.stdout}{ran.stderr}exit code {ran.code}\n")


def test_what_is_learned_stands_between_marks(sparkctl: Sparkctl, tmp_path: Path) -> None:
    (tmp_path / "mine.jsonl").write_text("\n".join(map(json.dumps, CHATS)))
    ran = sparkctl("data", "check", "mine.jsonl")
    assert ran.code == 0
    assert "⟦2<|im_end|>" in ran.stdout
    assert "40 rows; 40 sequences" in ran.stdout


def test_the_document(sparkctl: Sparkctl, tmp_path: Path) -> None:
    (tmp_path / "mine.jsonl").write_text("\n".join(map(json.dumps, CHATS)))
    ran = sparkctl("data", "check", "mine.jsonl", "--json")
    found = json.loads(ran.stdout)
    assert (found["kind"], found["usable"], found["counts"]["rows"]) == ("Data", True, 40)
    assert sum(part["sequences"] for part in found["lengths"]) == 40
    learned = [part["text"] for part in found["sample"]["segments"] if part["learned"]]
    assert learned[0].startswith("2")


def test_a_stack_brings_its_settings_and_the_file_takes_the_place_of_its_data(
    sparkctl: Sparkctl, tmp_path: Path
) -> None:
    row = json.dumps({"instruction": "Add 1 and 1.", "output": "2"})
    (tmp_path / "mine.jsonl").write_text(f"{row}\n" * 40)
    rows = ("--set", "data.rows=8", "--set", "data.held_out_rows=8")
    ran = sparkctl("data", "check", "mine.jsonl", "--stack", "tiny-llama-lora", *rows, "--json")
    found = json.loads(ran.stdout)
    assert found["usable"] and found["data"] == "mine.jsonl"
    assert "made on the nodes" in found["not_exact_because"]


def test_a_bad_row_far_down_is_found(sparkctl: Sparkctl, tmp_path: Path) -> None:
    rows = [*map(json.dumps, CHATS * 4), '{"question": "?"}', "{", json.dumps(CHATS[0])]
    (tmp_path / "mine.jsonl").write_text("\n".join(rows))
    ran = sparkctl("data", "check", "mine.jsonl")
    assert ran.code == 3
    assert "2 of 163 rows cannot be used; the first: mine.jsonl:161" in ran.stdout
    assert "data.on_bad_row: skip leaves such rows out" in ran.stdout
    assert sparkctl("data", "check", "mine.jsonl", "--set", "data.on_bad_row=skip").code == 0


def test_with_an_evaluation_set_no_row_is_set_apart(sparkctl: Sparkctl, tmp_path: Path) -> None:
    (tmp_path / "mine.jsonl").write_text("\n".join(map(json.dumps, CHATS[:8])))
    assert sparkctl("data", "check", "mine.jsonl").code == 3
    apart = ("--set", "training.data.evaluation.name=org/other")
    assert sparkctl("data", "check", "mine.jsonl", *apart).code == 0


@pytest.mark.parametrize("is_here", [True, False])
def test_a_template_of_your_own(is_here: bool, sparkctl: Sparkctl, tmp_path: Path) -> None:
    model, template = tmp_path / "model", tmp_path / "chat.jinja"
    model.mkdir()
    (model / "tokenizer.json").write_text(letters().tokenizer)
    (model / "tokenizer_config.json").write_text('{"eos_token": "</s>", "chat_template": "no"}')
    (tmp_path / "mine.jsonl").write_text("\n".join(map(json.dumps, CHATS)))
    if is_here:
        template.write_text(CHAT.replace(";", "</s>"))
    stack = tmp_path / "mine.yaml"
    data = {"name": "org/other", "chat_template": str(template)}
    training = {"model": {"name": str(model)}, "data": data}
    head = "apiVersion: sparkctl/v1\nkind: Stack\nname: mine\ndescription: mine\n"
    stack.write_text(f"{head}training: {json.dumps(training)}")
    ran = sparkctl("data", "check", "mine.jsonl", "--stack", "./mine.yaml")
    assert ran.code == 0
    assert ("a:⟦2</s>⟧" in ran.stdout) == is_here
    assert (f"data.chat_template, {template}, is not on this computer" in ran.stdout) != is_here


@pytest.mark.parametrize(
    ("stack", "said", "batching"),
    [
        ("my-chats-lora", "packed: 40.0 rows and ", "packed"),
        ("tiny-llama-lora", "padding-free: 8.0 rows and ", "padding-free"),
        (None, None, None),
    ],
)
def test_what_batches_become_of_the_rows(
    stack: str | None,
    said: str | None,
    batching: str | None,
    sparkctl: Sparkctl,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    (tmp_path / "mine.jsonl").write_text("\n".join(map(json.dumps, CHATS)))
    asked = ["data", "check", "mine.jsonl", "--set", "data.held_out_rows=4"]
    asked += ["--stack", stack] if stack else []
    lines = sparkctl(*asked).stdout.splitlines()
    told = [line.removeprefix("batches  ") for line in lines if line.startswith("batches")]
    found = json.loads(sparkctl(*asked, "--json").stdout)["batches"]
    if said is None or batching is None:
        assert (told, found) == ([], None)
        return
    assert told[0].startswith(said)
    assert found["batching"] == batching
    assert found["passes"] == (1 if batching == "packed" else 5)
    assert found["rows_per_pass"] == pytest.approx(40 if batching == "packed" else 8)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["none.jsonl"], "no such file on this computer"),
        (["mine.jsonl", "--stack", "none"], "none"),
        (["mine.jsonl", "--set", "data.max_length=many"], "a whole number is expected"),
        (["mine.xlsx"], "mine.xlsx"),
    ],
)
def test_what_it_cannot_look_at(
    args: list[str], said: str, sparkctl: Sparkctl, tmp_path: Path
) -> None:
    (tmp_path / "mine.jsonl").write_text("{}\n")
    (tmp_path / "mine.xlsx").write_bytes(b"PK\x03\x04")
    ran = sparkctl("data", "check", *args)
    assert ran.code == 3
    assert said in ran.stdout + ran.stderr


@pytest.mark.patient
def test_neither_torch_nor_transformers_is_imported(tmp_path: Path) -> None:
    file = tmp_path / "mine.jsonl"
    file.write_text("\n".join(map(json.dumps, CHATS)))
    code = (
        "import sys\n"
        "from orchestrator.cli.main import call\n"
        f"call(['data', 'check', {str(file)!r}])\n"
        "print(sorted({'torch', 'transformers', 'datasets', 'trl', 'docker'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"
    assert "can be trained on" in done.stdout
