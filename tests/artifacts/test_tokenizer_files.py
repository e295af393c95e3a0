"""A tokenizer's files: of a folder, of this computer's cache, else of the Hub."""

import json
from pathlib import Path

import pytest

from orchestrator.artifacts.hub import Unread
from orchestrator.artifacts.tokenizer import of_cache, of_folder, of_hub
from tests.support.hub.repository import Repository
from tests.support.hub.server import Hub
from training.contract.config import ModelConfig

MODEL = ModelConfig(name="org/open")
COMMIT = "0" * 40


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "tokenizer.json").write_text('{"model": {}}')
    (folder / "tokenizer_config.json").write_text('{"eos_token": "</s>"}')
    (folder / "model.safetensors").write_bytes(b"x" * 1000)
    return folder


def test_of_a_model_of_the_hub_only_small_files_are_fetched(folder: Path) -> None:
    with Hub({"org/open": Repository(folder)}) as hub:
        found = of_hub(MODEL, None, {"HF_ENDPOINT": hub.url})
        asked = [path for method, path in hub.requests if method == "GET"]
    assert found.where == "the Hub"
    assert (found.tokenizer, found.config) == ('{"model": {}}', {"eos_token": "</s>"})
    assert (found.generation, found.model, found.chat_template) == ({}, {}, None)
    assert not any("safetensors" in path for path in asked)


@pytest.mark.parametrize("revision", ["main", COMMIT])
def test_what_the_cache_has(folder: Path, tmp_path: Path, revision: str) -> None:
    cache = tmp_path / "hub" / "models--org--open"
    (cache / "refs").mkdir(parents=True)
    (cache / "refs" / "main").write_text(COMMIT)
    (cache / "snapshots").mkdir()
    folder.rename(cache / "snapshots" / COMMIT)
    (cache / "snapshots" / COMMIT / "chat_template.jinja").write_text("{{ messages }}")
    model = MODEL.model_copy(update={"revision": revision})
    found = of_cache(model, {"HF_HOME": str(tmp_path)})
    assert "cache" in found.where
    assert found.chat_template == "{{ messages }}"


def test_a_revision_leads_to_no_other_folder(folder: Path, tmp_path: Path) -> None:
    cache = tmp_path / "hub" / "models--org--open"
    (cache / "refs").mkdir(parents=True)
    (cache / "refs" / "main").write_text("../../../model")
    with pytest.raises(Unread, match="has no tokenizer of org/open"):
        of_cache(MODEL, {"HF_HOME": str(tmp_path)})


def test_a_folder_of_a_checkpoint(folder: Path) -> None:
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": [1, 2]}))
    assert of_folder(folder).generation == {"eos_token_id": [1, 2]}


@pytest.mark.parametrize(
    ("name", "body", "said"),
    [
        ("tokenizer.json", None, "nobody counts tokens"),
        ("tokenizer.json", b"\xff\xfe", "no text"),
        ("tokenizer_config.json", b"[1]", "no JSON object"),
        ("tokenizer_config.json", b"[" * 100_000, "no JSON object"),
        ("generation_config.json", b"{", "no JSON object"),
    ],
)
def test_files_that_are_not_there_or_no_good(
    folder: Path, name: str, body: bytes | None, said: str
) -> None:
    (folder / name).unlink(missing_ok=True)
    if body is not None:
        (folder / name).write_bytes(body)
    with pytest.raises(Unread, match=said):
        of_folder(folder)
