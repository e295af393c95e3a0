"""A dry run of a model that nobody has downloaded: one small file from the Hub, and a verdict."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Sparkctl
from tests.cli.test_cluster import take_in
from tests.cli.test_train import off
from tests.support.fakes import FakeCluster
from tests.support.hub.repository import Repository
from tests.support.hub.server import Hub
from tests.support.published import PUBLISHED

ANY = "qwen3-8b-lora"


def folder_of(name: str, parent: Path) -> Path:
    """What the Hub has of a model: its config.json, and weights that nobody must fetch."""
    folder = parent / name.replace("/", "--")
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(PUBLISHED[name]["config"]))
    (folder / "model-00001-of-00001.safetensors").write_bytes(b"weights")
    return folder


def train(sparkctl: Sparkctl, hub: Hub, model: str, *more: str) -> tuple[int, dict[str, str], str]:
    """The exit code, the lines by their labels, and all of it."""
    ran = sparkctl("train", ANY, "--dry-run", "--set", f"training.model.name={model}", *more)
    rows = [line.split(maxsplit=1) for line in ran.stdout.splitlines() if line[:1].strip()]
    return ran.code, {row[0]: row[-1] for row in rows}, ran.stdout


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Sets this computer's Hub."""

    def ask(hub: Hub) -> None:
        monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
        monkeypatch.setenv("HF_ENDPOINT", hub.url)

    return ask


def test_one_small_file_a_verdict_and_numbers(
    sparkctl: Sparkctl, site: FakeCluster, tmp_path: Path, asked: Any
) -> None:
    take_in(site)
    with Hub({"Qwen/Qwen3-30B-A3B": Repository(folder_of("Qwen/Qwen3-30B-A3B", tmp_path))}) as hub:
        asked(hub)
        code, said, _ = train(sparkctl, hub, "Qwen/Qwen3-30B-A3B")
    assert hub.fetched == ["Qwen/Qwen3-30B-A3B/config.json"]
    assert [method for method, _ in hub.requests] == ["GET"]
    assert said["verdict"].startswith("fits: full rows take ")
    assert "weights 56.9" in said["memory"], "30.5 B in bfloat16, in GiB"
    assert "tokens/s on Sparks (estimated, not measured)" in said["time"]
    assert code == 0


def test_without_nodes_it_is_told_for_sparks(
    sparkctl: Sparkctl, site: FakeCluster, tmp_path: Path, asked: Any
) -> None:
    off(site, "spark-a", "spark-b")
    with Hub({"org/moe": Repository(folder_of("Qwen/Qwen3-30B-A3B", tmp_path))}) as hub:
        asked(hub)
        code, said, _ = train(sparkctl, hub, "org/moe")
    assert said["verdict"].startswith("not known: not all nodes were read; on Sparks it would fit")
    assert said["download"].startswith("61 GB a node, unless it is there")
    assert said["disk"].startswith("at least 59 GiB a node") and code == 0


def test_what_does_not_fit_says_what_would_make_it_fit(
    sparkctl: Sparkctl, site: FakeCluster, tmp_path: Path, asked: Any
) -> None:
    """Full fine-tuning of Qwen3 14B: 221 GiB in one piece, however small its files are."""
    take_in(site)
    full = ("--set", "training.method={kind: full}")
    with Hub({"Qwen/Qwen3-14B": Repository(folder_of("Qwen/Qwen3-14B", tmp_path))}) as hub:
        asked(hub)
        code, said, text = train(sparkctl, hub, "Qwen/Qwen3-14B", *full)
    assert code == 11
    assert said["strategy"].startswith("sharded")
    assert said["verdict"].startswith("does not fit: full rows take ")
    assert "it would fit on 3 such nodes as it is" in text


def test_a_gated_model_is_said_so_with_its_page(
    sparkctl: Sparkctl,
    site: FakeCluster,
    tmp_path: Path,
    asked: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    take_in(site)
    folder = folder_of("google/gemma-3-27b-it", tmp_path)
    repository = Repository(folder, gated=True, members=frozenset({"hf_member"}))
    with Hub({"google/gemma-3-27b-it": repository}) as hub:
        asked(hub)
        code, said, _ = train(sparkctl, hub, "google/gemma-3-27b-it")
        page = f"{hub.url}/google/gemma-3-27b-it"
        assert f"is gated: accept its licence at {page}, and log in here" in said["verdict"]
        assert code == 0 and hub.fetched == []
        token = tmp_path / "token"
        token.write_text("hf_member\n")
        monkeypatch.setenv("HF_TOKEN_PATH", str(token))
        code, said, text = train(sparkctl, hub, "google/gemma-3-27b-it")
    assert said["verdict"].startswith("fits")
    assert hub.fetched == ["google/gemma-3-27b-it/config.json"]
    assert "hf_member" not in text


@pytest.mark.parametrize(
    ("config", "why"),
    [
        ({"model_type": "brand_new"}, "nothing is known of models of the type brand_new"),
        ({"model_type": "llama", "hidden_size": 64}, "its config.json has no intermediate_size"),
        ([1], "its config.json is no object"),
    ],
)
def test_a_model_that_is_not_understood_is_said_so_and_asked_for(
    sparkctl: Sparkctl, site: FakeCluster, tmp_path: Path, asked: Any, config: object, why: str
) -> None:
    take_in(site)
    (tmp_path / "config.json").write_text(json.dumps(config))
    with Hub({"org/new": Repository(tmp_path)}) as hub:
        asked(hub)
        code, said, _ = train(sparkctl, hub, "org/new")
    assert said["verdict"].startswith("not known: the estimate does not understand org/new: ")
    assert why in said["verdict"]
    assert "training.parallel.strategy, sharded or ddp" in said["verdict"]
    assert code == 0


def test_offline_it_is_not_known_and_not_fatal(
    sparkctl: Sparkctl,
    site: FakeCluster,
    tmp_path: Path,
    asked: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    take_in(site)
    with Hub({"org/new": Repository(tmp_path)}) as hub:
        asked(hub)
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
        code, said, _ = train(sparkctl, hub, "org/new")
    assert "not known: HF_HUB_OFFLINE is set here" in said["verdict"]
    assert code == 0 and hub.requests == []


@pytest.mark.parametrize("model", ["meta-llama/Llama-3.1-8B", "/sparkctl/data/my-model"])
def test_what_is_known_here_or_lies_on_the_nodes_asks_nobody(
    sparkctl: Sparkctl, site: FakeCluster, asked: Any, model: str
) -> None:
    take_in(site)
    with Hub({}) as hub:
        asked(hub)
        train(sparkctl, hub, model)
    assert hub.requests == []
