"""A script of somebody's own: what is deployed for it, and what is said about it beforehand."""

import io
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestrator.engines.find import engine_of
from orchestrator.errors import SpecError
from orchestrator.runs.launch import Prepared, prepare
from orchestrator.spec.load import load_recipe, load_stack
from orchestrator.stack.powers import powers_of, to_be_trusted
from tests.support.clusters import sparks
from tests.support.generated import Generated
from tests.support.recipes import SCRIPTS
from training.gang.config import GangConfig
from training.gang.engine import EngineConfig

HEAD = "apiVersion: sparkctl/v1\nkind: Stack\nname: mine\ndescription: x\nengine: script\n"


def stack_file(tmp_path: Path, script: str, more: str = "", **files: str) -> str:
    for name, content in {"code/train.py": "print()\n", **files}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    (tmp_path / "mine.yaml").write_text(f"{HEAD}{more}script: {script}\n")
    return str(tmp_path / "mine.yaml")


def prepared(tmp_path: Path, script: str, more: str = "", **files: str) -> Prepared:
    stack = load_stack(stack_file(tmp_path, script, more, **files))
    return prepare(sparks(2), stack, None, {}, run="mine-0a1b2c")


def config(run: Prepared, rank: int) -> dict[str, Any]:
    (content,) = [one.content for one in run.rendered.configs if one.rank == rank]
    read: dict[str, Any] = yaml.safe_load(content)
    return read


def engine(run: Prepared) -> EngineConfig:
    (service,) = [yaml.safe_load(run.rendered.compose)["services"]["rank0"]]
    return EngineConfig.model_validate_json(service["environment"]["SPARKCTL_ENGINE"])


def context(run: Prepared) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(run.image.context)) as archive:
        return {
            entry.name: file.read()
            for entry in archive
            if (file := archive.extractfile(entry)) is not None
        }


def test_what_is_deployed(tmp_path: Path, generated: Generated) -> None:
    run = prepared(
        tmp_path,
        "{folder: ./code, file: train.py, args: ['--to', '{{ checkpoints }}'],"
        " mounts: [{source: ~/corpus, target: /corpus}]}",
    )
    text = run.rendered.compose.replace(run.rendered.image, "sparkctl/train:<hash>")
    generated("tests/golden/compose-script.yml", text)
    assert (run.forecast, run.stack.training) == (None, None)


@pytest.mark.parametrize("kind", ["ddp", "fsdp-full", "fsdp-lora"])
def test_accelerate_is_told_who_each_rank_is(
    tmp_path: Path, kind: str, generated: Generated
) -> None:
    run = prepared(tmp_path, f"{{folder: code, file: train.py, accelerate: {kind}}}")
    generated(f"tests/golden/accelerate-{kind}.yml", run.rendered.configs[1].content)
    assert [config(run, rank)["machine_rank"] for rank in (0, 1)] == [0, 1]
    assert engine(run).sharded == (kind != "ddp")


def test_a_configuration_of_ones_own_keeps_all_but_machines_and_ranks(tmp_path: Path) -> None:
    own = (
        "distributed_type: FSDP\nmixed_precision: 'bf16'\nmain_process_ip: < TODO: specify IP >\n"
        "num_machines: 7\nrdzv_backend: c10d\nfsdp_config:\n"
        "  fsdp_state_dict_type: SHARDED_STATE_DICT\n"
    )
    run = prepared(
        tmp_path, "{folder: code, file: train.py, accelerate: ./a.yaml}", **{"a.yaml": own}
    )
    assert config(run, 1) == {
        "distributed_type": "FSDP",
        "mixed_precision": "bf16",
        "fsdp_config": {"fsdp_state_dict_type": "SHARDED_STATE_DICT"},
        "main_process_ip": run.ranks[0].address,
        "main_process_port": 29500,
        "machine_rank": 1,
        "num_machines": 2,
        "num_processes": 2,
        "rdzv_backend": "static",
        "same_network": True,
    }
    assert "save_model writes no adapter" in run.notes[1]
    again = prepared(
        tmp_path,
        "{folder: code, file: train.py, accelerate: ./a.yaml, mixed_precision: 'no'}",
        **{"a.yaml": own},
    )
    assert config(again, 0)["mixed_precision"] == "no"


def test_the_proof_is_said_before(tmp_path: Path) -> None:
    run = prepared(tmp_path, "{folder: code, file: train.py}")
    assert run.notes[0].startswith("proof: gang: at its first optimizer steps")
    run = prepared(tmp_path, "{folder: code, file: train.py, proof: exit code}")
    assert run.notes[0].startswith("proof: exit code: every rank joined")
    assert engine(run).proof == "exit code"


def test_other_launchers_have_no_accelerate(tmp_path: Path) -> None:
    run = prepared(tmp_path, "{folder: code, file: train.py, launcher: torchrun}")
    assert run.rendered.configs == ()
    assert not engine(run).sharded
    run = prepared(tmp_path, "{folder: code, file: train.py, launcher: torchrun, sharded: true}")
    assert engine(run).sharded


def test_its_image_has_the_folder_and_its_requirements(tmp_path: Path) -> None:
    in_folder = {"code/requirements.txt": "x==1\n", "code/lib/a.py": "1", "code/.env": "secret"}
    found = context(prepared(tmp_path, "{folder: code, file: train.py}", **in_folder))
    assert found["requirements.txt"] == b"x==1\n"
    assert {"engine/train.py", "engine/lib/a.py", "training/script/start.py"} <= set(found)
    assert "training/train.py" not in found and "engine/.env" not in found
    said = "{folder: code, file: train.py, requirements: [y]}"
    assert context(prepared(tmp_path, said, **in_folder))["requirements.txt"] == b"y\n"


def test_without_requirements_it_has_those_of_our_training(tmp_path: Path) -> None:
    found = context(prepared(tmp_path, "{node_folder: ~/code, file: train.py}"))
    assert b"transformers==" in found["requirements.txt"]
    assert [name for name in found if name.startswith("engine/")] == ["engine/.script"]


def test_a_folder_of_the_nodes_is_bound_and_only_read(tmp_path: Path) -> None:
    run = prepared(tmp_path, "{node_folder: ~/code, file: train.py}")
    service = yaml.safe_load(run.rendered.compose)["services"]["rank1"]
    bound = {one["target"]: one for one in service["volumes"]}["/sparkctl/script"]
    assert bound["read_only"] and bound["source"].endswith("/code")
    assert service["command"][4:6] == ["/sparkctl/script", "accelerate"]


def test_its_timeouts_are_its_own_until_the_stack_says_otherwise(tmp_path: Path) -> None:
    stack = load_stack(stack_file(tmp_path, "{folder: code, file: train.py}"))
    timeouts = engine_of(stack).with_timeouts
    assert timeouts(GangConfig()).start_seconds == 3600
    assert timeouts(GangConfig(start_seconds=5, silence_seconds=6)).start_seconds == 5
    assert timeouts(GangConfig(start_seconds=5, silence_seconds=6)).silence_seconds == 6


@pytest.mark.parametrize(
    ("script", "more", "words"),
    [
        ("{file: train.py}", "", r"mine.yaml:6: script: one of folder .* and node_folder"),
        ("{folder: code, node_folder: ~/c, file: train.py}", "", r"one of folder"),
        ("{folder: code, file: ../x.py}", "", r"mine.yaml:6: script.file: .*named by its path"),
        ("{folder: code, file: other.py}", "", r"there is no other.py in .*code"),
        ("{folder: nowhere, file: train.py}", "", r"there is no train.py in .*nowhere"),
        ("{folder: code, file: train.py, accelerate: fsdp}", "", r"it is ddp, fsdp-full or fsdp-l"),
        ("{folder: code, file: train.py, accelerate: ./no.yaml}", "", "there is no such accelerat"),
        ("{folder: code, file: train.py, mounts: [{source: x, target: /x}]}", "", "it is a path"),
        (
            "{folder: code, file: train.py, mounts: [{source: /x, target: /sparkctl/run}]}", "",
            "/sparkctl belongs to sparkctl or the image",
        ),
        (
            "{folder: code, file: t, mounts: [{source: /x, target: /x}, {source: /y, target: /x}]}",
            "",
            "two mounts have the target /x",
        ),
        ("{folder: code, file: train.py, args: ['{{ rang }}']}", "", "there is no value called"),
        ("{folder: code, file: train.py, lines: [{event: step, pattern: x}]}", "", "no group"),
        (
            "{folder: code, file: train.py}",
            "training: {model: {name: org/name}, data: {name: org/name}}\n",
            "training: the engine script does not take it, but script",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_place(
    tmp_path: Path, script: str, more: str, words: str
) -> None:
    with pytest.raises(SpecError, match=words):
        prepared(tmp_path, script, more)


def test_a_script_needs_its_engine_and_the_engine_its_script(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(HEAD)
    with pytest.raises(SpecError, match=r"script: this key is missing; the engine script needs it"):
        load_stack(str(tmp_path / "s.yaml"))
    (tmp_path / "s.yaml").write_text(HEAD.replace("engine: script\n", ""))
    with pytest.raises(SpecError, match="training: this key is missing"):
        load_stack(str(tmp_path / "s.yaml"))


def test_what_it_may_do_is_asked_about(tmp_path: Path) -> None:
    recipe = load_recipe(
        stack_file(
            tmp_path,
            "{folder: code, file: train.py, accelerate: ./a.yaml, requirements: [left-pad],"
            " mounts: [{source: /srv, target: /srv, read_only: false}]}",
            **{"a.yaml": "distributed_type: MULTI_GPU"},
        )
    )
    assert [power.line for power in powers_of(recipe.stack)] == [
        f"script: runs train.py of {tmp_path}/code",
        f"script: reads the file {tmp_path}/a.yaml",
        "script: installs left-pad into its image",
        "script: reads and writes /srv of every node",
    ]
    assert len(to_be_trusted(recipe)) == 4


@pytest.mark.parametrize("name", SCRIPTS)
def test_nvidias_scripts_are_fetched_first(name: str, tmp_path: Path) -> None:
    stack = load_stack(name, (f"script.folder={tmp_path}",))
    assert stack.script is not None
    with pytest.raises(SpecError, match=f"there is no {stack.script.file}") as caught:
        engine_of(stack)
    assert "docs/scripts.md" in str(caught.value.resolution)
    (tmp_path / stack.script.file).touch()
    found = engine_of(stack).contents(None)
    assert b"trl>=0.25.1" in found["requirements.txt"]
