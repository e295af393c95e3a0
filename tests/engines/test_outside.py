"""An engine of somebody's own: a folder that is read, checked with its places, and never run."""

import io
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestrator.artifacts.image import image_recipe
from orchestrator.engines.find import engine_of
from orchestrator.engines.outside import outside
from orchestrator.errors import SpecError
from orchestrator.runs.launch import prepare
from orchestrator.spec.load import load_recipe, load_stack
from orchestrator.stack.powers import powers_of, to_be_trusted
from tests.support.clusters import ROOT, sparks
from tests.support.generated import Generated
from training.gang.config import GangConfig
from training.gang.engine import EngineConfig

TOY = ROOT / "tests/lab/toy.yaml"
FOLDER = ROOT / "tests/lab/toy_engine"
HEAD = "apiVersion: sparkctl/v1\nkind: Engine\nname: mine\nsummary: x\n"
COMMAND = "command: [sh, go]\n"


def folder(tmp_path: Path, text: str, **files: str) -> Path:
    for name, content in {"engine.yaml": text, **files}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    return tmp_path


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (HEAD, r"engine.yaml: command: this key is missing"),
        (HEAD + COMMAND + "comand: [x]", r"engine.yaml:6: comand: unknown key; did you mean 'comm"),
        (HEAD + COMMAND + "proof: proved", r"engine.yaml:6: proof: `checked` or `exit code` is"),
        (HEAD + COMMAND + "proof: sure", r"engine.yaml:6: proof: 'proved', 'gang', 'checked' or"),
        (HEAD + COMMAND + "honours: [optim.lrr]", r"honours: training has no key optim.lrr"),
        (HEAD + COMMAND + "environment: {SPARKCTL_RANK: '1'}", "SPARKCTL_ are taken"),
        (
            HEAD + COMMAND + "lines: [{event: step, pattern: 'step=('}]",
            r"engine.yaml:6: lines.0: pattern: not a regular expression",
        ),
        (
            HEAD + COMMAND + "files: [{name: a, template: no.yml, target: /a}]",
            r"engine.yaml:6: files.0.template: there is no no.yml in",
        ),
        (
            HEAD + COMMAND + "files: [{name: a, template: ../x, target: /a}]",
            "a file is named by its path in the engine's folder",
        ),
        (
            HEAD + COMMAND + "files: [{name: a, template: go, target: /a},"
            " {name: a, template: go, target: /b}]",
            r"engine.yaml:6: files: two files have the name a",
        ),
        (
            HEAD + COMMAND + "files: [{name: a, template: sub, target: /a}]",
            r"sub: the template cannot be read",
        ),
        (
            HEAD + COMMAND + "files: [{name: a, template: bytes, target: /a}]",
            r"bytes: the template cannot be read",
        ),
        (
            HEAD + COMMAND + "files: [{name: a, template: out/id_ed25519, target: /a}]",
            r"a template is a file of the engine's folder, not a link",
        ),
        (HEAD + COMMAND + "results: ['a**b']", r"engine.yaml:6: results.0: `\*\*` stands for"),
        (
            HEAD + COMMAND + "files: [{name: a, template: go, target: /a, variable: SPARKCTL_X}]",
            r"files.0.variable: names that begin with SPARKCTL_ are taken",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, text: str, words: str) -> None:
    mine = folder(tmp_path / "mine", text, go="true")
    (mine / "sub").mkdir()
    (mine / "bytes").write_bytes(b"\xff")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "id_ed25519").write_text("a key")
    (mine / "out").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SpecError, match=words):
        outside(mine)


def test_no_folder_is_said(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="there is no such engine") as caught:
        outside(tmp_path / "nowhere")
    assert "docs/engines.md" in str(caught.value.resolution)


def test_a_stack_names_it_from_where_the_stack_is(tmp_path: Path, monkeypatch: Any) -> None:
    assert load_stack(str(TOY)).engine == str(FOLDER)
    monkeypatch.chdir(tmp_path)
    assert load_stack("tiny-llama-lora", ("engine=./mine",)).engine == str(tmp_path / "mine")
    assert load_stack("tiny-llama-lora", ("engine=/there/mine",)).engine == "/there/mine"


@pytest.mark.parametrize("name", ["Mine", "my engine", "-x", "''"])
def test_what_is_neither_a_name_nor_a_path_is_refused(name: str) -> None:
    with pytest.raises(
        SpecError, match=r"engine: .* does not fit: it is torch, script, or the path of"
    ):
        load_stack("tiny-llama-lora", (f"engine={name}",))


def test_it_is_a_power() -> None:
    (power,) = powers_of(load_stack(str(TOY)))
    assert power.key == ("engine",)
    assert power.line == f"engine: everything that runs comes from the folder {FOLDER}"
    assert to_be_trusted(load_recipe(str(TOY))) == (power,)
    assert to_be_trusted(load_recipe(str(TOY), (f"engine={FOLDER}",))) == ()
    assert to_be_trusted(load_recipe("tiny-llama-lora")) == ()


def test_a_key_that_it_does_not_honour_is_refused() -> None:
    with pytest.raises(SpecError) as caught:
        prepare(sparks(2), load_stack(str(TOY), ("training.optim.lr=1e-3",)), None, {})
    assert caught.value.brief == "toy: the engine toy does not honour training.optim.lr"
    assert "training.loop.max_steps, training.checkpoint.every" in str(caught.value.resolution)


def test_what_is_deployed_for_it(generated: Generated) -> None:
    prepared = prepare(sparks(2), load_stack(str(TOY)), None, {}, run="toy-0a1b2c")
    text = prepared.rendered.compose.replace(prepared.rendered.image, "sparkctl/train:<hash>")
    generated("tests/golden/compose-toy-engine.yml", text)
    assert prepared.rendered.configs == ()
    assert prepared.forecast is None
    assert prepared.stack.engine == str(FOLDER)


def test_its_image_has_the_supervisors_and_the_folder(tmp_path: Path) -> None:
    mine = folder(
        tmp_path, HEAD + COMMAND + "base_image: theirs:1", go="true",
        **{"requirements.txt": "x==1\n", ".git/config": "secret", "sub/a.py": "1"},
    )  # fmt: skip
    stack = load_stack("tiny-llama-lora", (f"engine={mine}",))
    contents = engine_of(stack).contents(stack.training)
    names = set(contents)
    assert {"Dockerfile", "engine/go", "engine/sub/a.py", "engine/engine.yaml"} <= names
    assert {"training/gang/__main__.py", "training/contract/events.py"} <= names
    assert not {n for n in names if ".git" in n or n.startswith(("training/ranks", "entrypoints"))}
    assert contents["requirements.txt"] == b"x==1\n"
    assert image_recipe("b", contents).tag != image_recipe("b", {**contents, "engine/go": b""}).tag
    with tarfile.open(fileobj=io.BytesIO(image_recipe("b", contents).context)) as archive:
        assert set(archive.getnames()) == names


@pytest.mark.parametrize("to", ["/etc/hostname", "/etc", "nowhere", None])
def test_a_link_or_a_pipe_in_its_folder_is_refused(tmp_path: Path, to: str | None) -> None:
    """Links to files, to folders, to nothing; of a pipe nobody waits for the other end."""
    mine = folder(tmp_path, HEAD + COMMAND)
    if to is None:
        os.mkfifo(mine / "key")
    else:
        (mine / "key").symlink_to(to)
    stack = load_stack("tiny-llama-lora", (f"engine={mine}",))
    with pytest.raises(SpecError, match="key: a folder for the nodes has plain files only"):
        engine_of(stack).contents(stack.training)


def test_what_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = folder(tmp_path, HEAD + COMMAND, weights="x")
    stack = load_stack("tiny-llama-lora", (f"engine={mine}",))
    engine, really = engine_of(stack), os.open

    def no(path: Path, *rest: int) -> int:  # root may read everything
        if path.name == "weights":
            raise PermissionError(13, "Permission denied", str(path))
        return really(path, *rest)

    monkeypatch.setattr(os, "open", no)
    with pytest.raises(SpecError, match="weights: cannot be read: Permission denied"):
        engine.contents(stack.training)


def test_what_is_hidden_is_not_even_listed(tmp_path: Path) -> None:
    mine = folder(tmp_path, HEAD + COMMAND, **{".venv/lib/a.py": "1", "b/.c/d": "2", "b/e": "3"})
    (mine / ".venv" / "python").symlink_to("/usr/bin/python3")
    stack = load_stack("tiny-llama-lora", (f"engine={mine}",))
    own = [name for name in engine_of(stack).contents(stack.training) if name.startswith("engine/")]
    assert own == ["engine/engine.yaml", "engine/b/e"]


def test_a_folder_that_is_too_large_is_refused(tmp_path: Path) -> None:
    mine = folder(tmp_path, HEAD + COMMAND)
    with (mine / "weights").open("wb") as file:
        file.truncate(65 * 2**20)
    stack = load_stack("tiny-llama-lora", (f"engine={mine}",))
    with pytest.raises(SpecError, match="more than 64 MiB"):
        engine_of(stack).contents(stack.training)


def test_its_own_base_image_is_between_the_stacks_and_the_clusters(tmp_path: Path) -> None:
    mine = folder(tmp_path, yaml.safe_dump(yaml.safe_load((FOLDER / "engine.yaml").read_text()) | {
        "base_image": "theirs:1",
    }))  # fmt: skip
    engine = f"engine={mine}"
    assert prepare(sparks(2), load_stack(str(TOY), (engine,)), None, {}).image.base == "theirs:1"
    own = load_stack(str(TOY), (engine, "base_image=mine:2"))
    assert prepare(sparks(2), own, None, {}).image.base == "mine:2"


def test_how_long_it_may_be_quiet(tmp_path: Path) -> None:
    mine = outside(folder(tmp_path, HEAD + COMMAND + "quiet_seconds: 900"))
    assert mine.with_timeouts(GangConfig()).silence_seconds == 900
    assert mine.with_timeouts(GangConfig(silence_seconds=20)).silence_seconds == 20
    assert outside(FOLDER).with_timeouts(GangConfig()) == GangConfig()


def test_supervisors_are_told_how_to_read_it() -> None:
    prepared = prepare(sparks(2), load_stack(str(TOY)), None, {})
    environment = yaml.safe_load(prepared.rendered.compose)["services"]["rank1"]["environment"]
    told = EngineConfig.model_validate_json(environment["SPARKCTL_ENGINE"])
    assert (told.proof, told.total_steps, told.results) == ("exit code", 60, ("result.txt",))
    assert [line.event for line in told.lines] == ["resumed", "step", "saved"]
