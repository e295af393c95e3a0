"""A base that cannot be trained is one named error on every rank, in both ways of loading."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.ranks.nodes import Nodes
from tests.support.ranks.recipe import TINY
from tests.support.ranks.run import Run
from training.contract.events import Error

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]


def edited(file: Path, **changes: object) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def only_bin(base: Path) -> None:
    (base / "model.safetensors").rename(base / "pytorch_model.bin")


def reshaped(base: Path) -> None:
    edited(base / "config.json", intermediate_size=96)


def gptq(base: Path) -> None:
    edited(base / "config.json", quantization_config={"quant_method": "gptq", "bits": 4})


def modelopt(base: Path) -> None:
    edited(base / "config.json", quantization_config={"quant_method": "modelopt"})


def not_json(base: Path) -> None:
    (base / "config.json").write_text("{")


def with_a_slow_tokenizer(base: Path) -> None:
    (base / "tokenizer.json").unlink()
    (base / "tokenizer_config.json").write_text('{"tokenizer_class": "ByT5Tokenizer"}')


def without_an_end(base: Path) -> None:
    edited(base / "tokenizer_config.json", eos_token=None)
    edited(base / "config.json", eos_token_id=None)
    for name in ("special_tokens_map.json", "generation_config.json"):
        (base / name).unlink(missing_ok=True)


def with_fewer_embeddings(base: Path) -> None:
    edited(base / "config.json", vocab_size=100)


def of_an_unknown_kind(base: Path) -> None:
    edited(base / "config.json", model_type="llama_of_tomorrow", architectures=["Tomorrow"])


def with_code(base: Path) -> None:
    of_an_unknown_kind(base)
    edited(base / "config.json", auto_map={"AutoConfig": "own.Config"})
    (base / "own.py").write_text("raise SystemExit('was run')")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.families.twins import write

    return write("llama_tied", tmp_path_factory.mktemp("base") / "base")


@pytest.mark.parametrize(
    ("damage", "strategy", "code", "words"),
    [
        (only_bin, "sharded", "no_base", "model.safetensors"),
        (reshaped, "sharded", "checkpoint_unfit", "mlp.down_proj.weight"),
        (reshaped, "ddp", "checkpoint_unfit", "mlp.down_proj.weight"),
        (gptq, "sharded", "base_quantized", "gptq"),
        (gptq, "ddp", "base_quantized", "gptq"),
        (modelopt, "sharded", "base_quantized", "modelopt"),
        (not_json, "sharded", "tokenizer_unfit", "JSON"),
        (with_a_slow_tokenizer, "ddp", "tokenizer_unfit", "no fast form"),
        (without_an_end, "ddp", "tokenizer_unfit", "no eos_token"),
        (with_fewer_embeddings, "sharded", "tokenizer_unfit", "embeddings for 100 tokens"),
        (of_an_unknown_kind, "ddp", "model_unknown", "llama_of_tomorrow"),
        (with_code, "sharded", "model_unknown", "code"),
    ],
)
def test_it_is_refused_by_name_on_every_rank(
    base: Path,
    nodes: Nodes,
    tmp_path: Path,
    damage: Callable[[Path], None],
    strategy: str,
    code: str,
    words: str,
) -> None:
    folder = tmp_path / "base"
    shutil.copytree(base, folder)
    damage(folder)
    config = TINY | {
        "model": {"name": str(folder), "dtype": "float32"},
        "parallel": TINY["parallel"] | {"strategy": strategy},
    }
    run = Run(tmp_path / "run", nodes.caches, config, 2)
    assert run.finish() == [78, 78], run.stderr(0)
    for rank in (0, 1):
        (error,) = run.events(rank, Error)
        assert error.code == code and words in f"{error.message} {error.help}"
        assert "Traceback" not in run.stderr(rank)
