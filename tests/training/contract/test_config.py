"""The schema: what recipes may say, how mistakes are told, and that it costs no torch."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from training.contract.config import Data, Lora, Optim, TrainingConfig
from training.contract.errors import ConfigurationError
from training.contract.names import source_of
from training.ranks.configuration import read_config

TINY = """
model: {name: "builtin:tiny-llama", dtype: float32}
method: {kind: lora, r: 8, alpha: 16, dropout: 0}
data: {name: "builtin:instructions", template: plain, held_out_rows: 48, max_length: 128}
optim: {lr: 5e-3, warmup_steps: 5}
parallel: {strategy: sharded}
loop: {max_steps: 60, per_device_batch_size: 8}
"""
LLAMA_70B = """
model: {name: meta-llama/Llama-3.1-70B-Instruct, dtype: bfloat16}
method:
  kind: lora
  r: 8
  alpha: 16
  dropout: 0
  targets: [q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj]
data: {name: tatsu-lab/alpaca, rows: 512, template: alpaca, max_length: 2048}
optim: {lr: 1e-4}
parallel: {strategy: sharded}
loop: {epochs: 1, per_device_batch_size: 4, gradient_checkpointing: true}
"""


@pytest.mark.parametrize("text", [TINY, LLAMA_70B])
def test_recipes_survive_the_way_into_the_container(text: str, tmp_path: Path) -> None:
    config = TrainingConfig.model_validate(yaml.safe_load(text))
    for name, document in (("a.yaml", text), ("a.json", config.model_dump_json())):
        (tmp_path / name).write_text(document)
        assert read_config(tmp_path / name) == config


def test_a_learning_rate_that_yaml_reads_as_text_is_a_number() -> None:
    assert yaml.safe_load("1e-4") == "1e-4"
    assert Optim.model_validate({"lr": "1e-4"}).lr == 1e-4


@pytest.mark.parametrize(
    ("section", "key", "value", "told"),
    [
        ("optim", "learning_rate", 1e-4, "optim.learning_rate"),
        ("optim", "lr", 0, "optim.lr"),
        ("loop", "max_steps", 0, "loop.max_steps"),
        ("method", "kind", "magic", "method.kind: one of 'full', 'lora', 'qlora' is expected"),
        ("method", "kind", "full", "method.full.r"),
        ("method", "kind", "qlora", "bitsandbytes"),
        ("method", "dora", True, "DoRA needs whole weights"),
        ("method", "init", "pissa", "init pissa needs whole weights"),
        ("method", "modules_to_save", ["lm_head"], "trained as whole weights"),
        ("method", "init", "eva", "eva is not offered: it reads data"),
        ("method", "init", "zeros", "one of default, gaussian, orthogonal, pissa"),
        ("method", "targets", ["(q"], "'(q' is no regular expression"),
        ("method", "targets", [], "a list of at least 1"),
        ("method", "exclude", " ", "an empty name matches nothing"),
        ("method", "init_from", "./adapter", "a path of this computer is nothing to a node"),
        ("method", "init_from", "builtin:tiny-llama", "init_from names an adapter"),
        ("optim", "betas", [0.9, 1], "each is at least 0 and less than 1"),
        ("optim", "betas", [0.9], "optim.betas"),
        ("optim", "min_lr", 0.1, "min_lr must be less than lr"),
        ("optim", "warmup_ratio", 0.1, "exclude each other"),
        ("loop", "keep", "best", "compare evaluations: set eval_every"),
        ("loop", "patience", 2, "compare evaluations: set eval_every"),
        ("parallel", "strategy", "pipeline", "parallel.strategy"),
        ("model", "name", "builtin:huge-llama", "builtin:tiny-llama"),
        ("model", "name", "llama", "model.name"),
        ("data", "name", "../three.jsonl", "data.name"),
        ("data", "name", "builtin:other", "known: builtin:instructions"),
        ("data", "name", None, "data: either name or sources is expected, and not both"),
        ("data", "sources", [{"name": "a.csv"}], "data: either name or sources is expected"),
        ("data", "sources", [{"name": "a"}], "data.sources.0.name: no owner"),
        ("data", "sources", [{"name": "a.csv", "share": 0}], "data.sources.0.share: more than 0"),
        ("data", "evaluation", {"split": "test"}, "data.evaluation.name: this key is missing"),
        ("data", "evaluation", {"name": "a.csv", "share": 2}, "data.evaluation.share: unknown"),
        ("data", "columns", {"text": " "}, "data.columns: a column has a name on either side"),
        ("data", "columns", {"text": 3}, "data.columns.text: text is expected"),
        ("data", "encoding", "klingon", "data.encoding: no such encoding; known are utf-8"),
        ("data", "encoding", "base64", "data.encoding: this is no encoding of text files"),
        ("data", "encoding", "utf-7", "data.encoding: this is no encoding of text files"),
        ("data", "encoding", "a\0b", "data.encoding: no such encoding"),
        ("data", "on_bad_row", "ignore", "data.on_bad_row"),
    ],
)
def test_a_mistake_is_told_by_its_key(
    section: str, key: str, value: object, told: str, tmp_path: Path
) -> None:
    document: dict[str, Any] = yaml.safe_load(TINY)
    document[section][key] = value
    (tmp_path / "config.yaml").write_text(json.dumps(document))
    with pytest.raises(ConfigurationError) as caught:
        read_config(tmp_path / "config.yaml")
    assert caught.value.code == "config_invalid"
    assert told in caught.value.message


def test_a_setting_of_one_source_does_not_stand_beside_several() -> None:
    sources = {"sources": [{"name": "a.csv"}, {"name": "b.csv", "split": "test"}]}
    with pytest.raises(ValidationError, match="split belongs to each of the sources"):
        Data.model_validate(sources | {"split": "test"})
    data = Data.model_validate(sources)
    assert Data.model_validate_json(data.model_dump_json()) == data


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("a.JSONL", "path"),
        ("a b/c.Csv.gz", "path"),
        ("한글/파일.parquet", "path"),
        ("mychats/", "path"),
        ("org/name/", "path"),
        ("/anything", "path"),
        ("org/name.json", "path"),
        ("org/name", "hub"),
        ("org/name.v2", "hub"),
        ("builtin:instructions", "builtin"),
        ("mychats", None),
        ("a/../b.csv", None),
        (".hidden.csv", None),
        ("my.xlsx", None),
        ("/x/my.tar.gz", None),
        ("my.md", None),
    ],
)
def test_names_of_data(name: str, source: str | None) -> None:
    if source is None:
        with pytest.raises(ValidationError):
            Data(name=name)
        return
    assert source_of(str(Data(name=name).name)) == source


@pytest.mark.parametrize("text", [None, "", "[1, 2]", "a: [", "\x00"])
def test_an_unreadable_file_is_a_configuration_error(text: str | None, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(ConfigurationError, match=r"config\.yaml"):
        read_config(tmp_path / "config.yaml")


def test_it_cannot_be_changed_afterwards() -> None:
    config = TrainingConfig.model_validate(yaml.safe_load(TINY))
    with pytest.raises(ValidationError):
        config.loop.seed = 1  # type: ignore[misc]


@given(
    st.builds(Lora, r=st.integers(1, 1024), dropout=st.floats(0, 0.99)), st.integers(0, 2**32 - 1)
)
def test_every_value_survives_json(lora: Lora, seed: int) -> None:
    document = yaml.safe_load(TINY)
    document["method"], document["loop"]["seed"] = lora.model_dump(), seed
    config = TrainingConfig.model_validate(document)
    assert TrainingConfig.model_validate_json(config.model_dump_json()) == config


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ({"kind": "lora", "init": "orthogonal", "r": 7}, "an even r"),
        ({"kind": "lora", "init": "olora", "dora": True}, "changes the base"),
        ({"kind": "qlora", "init": "pissa_niter_16"}, "4 bits would round"),
        ({"kind": "lora", "init": "gaussian", "init_from": "org/name"}, "exclude each other"),
    ],
)
def test_ways_to_begin_that_do_not_fit_the_method(document: dict[str, Any], told: str) -> None:
    text = yaml.safe_load(TINY) | {"method": document, "parallel": {}}
    with pytest.raises(ValidationError, match=told):
        TrainingConfig.model_validate(text)


def test_one_name_is_a_list_of_it() -> None:
    assert Lora(kind="lora").targets == ("all-linear",)
    assert Lora.model_validate({"kind": "lora", "targets": "q_proj"}).targets == ("q_proj",)


def test_eight_bits_of_all_weights_are_never_sharded() -> None:
    text = yaml.safe_load(TINY) | {"method": {"kind": "full"}}
    text["optim"]["name"] = "adamw_8bit"
    with pytest.raises(ValidationError, match="bitsandbytes cannot update sharded weights"):
        TrainingConfig.model_validate(text)
    text["method"] = {"kind": "lora"}
    assert TrainingConfig.model_validate(text).never_sharded is None


def test_full_fine_tuning_makes_no_adapters() -> None:
    text = yaml.safe_load(TINY) | {"method": {"kind": "full"}, "checkpoint": {"adapter_every": 5}}
    with pytest.raises(ValidationError, match="full fine-tuning makes no adapter"):
        TrainingConfig.model_validate(text)


def test_sources() -> None:
    assert source_of("builtin:tiny-llama") == "builtin"
    assert source_of("/models/mine") == "path"
    assert source_of("meta-llama/Llama-3.1-8B") == "hub"


def test_every_field_explains_itself() -> None:
    schema = TrainingConfig.model_json_schema()
    for name, section in schema["$defs"].items():
        for key, field in section["properties"].items():
            assert field.get("description"), f"{name}.{key}"


def test_the_controller_can_import_it_without_torch() -> None:
    code = (
        "import sys, training.contract.config, training.ranks.events\n"
        "import training.texts.row_shapes, training.tokens.prepare\n"
        "import training.plan.strategy\n"
        "print(sorted({'torch', 'transformers', 'datasets', 'peft', 'trl'} & set(sys.modules)))"
    )
    root = Path(__file__).parents[3]
    out = subprocess.run(
        [sys.executable, "-c", code],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert out.stdout.strip() == "[]"
