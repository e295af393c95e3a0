"""A base from a Hub that is public, gated, missing; and what it does to a run that goes on."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.hub.client import speak_to
from tests.support.hub.repository import Repository
from tests.support.hub.server import Answer, Hub
from training.contract.config import ModelConfig
from training.contract.errors import TrainingError
from training.data.fetch import base_folder

pytest.importorskip("huggingface_hub", reason="needs training/requirements.txt")
pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    folder = tmp_path / "model"
    (folder / "original").mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"weights")
    (folder / "original" / "model.safetensors").write_bytes(b"the same once more")
    (folder / "pytorch_model.bin").write_bytes(b"of no use")
    members = frozenset({"hf_member"})
    served = {
        "org/base": Repository(folder),
        "org/gated": Repository(folder, gated=True, members=members),
    }
    with Hub(served) as hub:
        speak_to(hub, tmp_path / "cache", monkeypatch)
        yield hub


def base(name: str = "org/base", *, known: bool = False) -> Path:
    return base_folder(ModelConfig(name=name), Path("/none"), Path("/none"), known=known)


def test_what_training_reads_comes_and_nothing_else(hub: Hub) -> None:
    assert {path.name for path in base().iterdir()} == {"config.json", "model.safetensors"}


@pytest.mark.parametrize(
    ("name", "token", "code"),
    [
        ("org/none", None, "hub_not_found"),
        ("org/gated", None, "hub_gated"),
        ("org/gated", "hf_other", "hub_gated"),
        ("org/gated", "hf_member", None),
    ],
)
def test_who_may_not_read_it_is_told(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, name: str, token: str | None, code: str | None
) -> None:
    if token:
        monkeypatch.setenv("HF_TOKEN", token)
    if code is None:
        assert (base(name) / "model.safetensors").read_bytes() == b"weights"
        return
    with pytest.raises(TrainingError) as told:
        base(name)
    assert told.value.code == code and told.value.remedy


def gone(hub: Hub) -> None:
    hub.repositories = {}


def gated(hub: Hub) -> None:
    hub.repositories = {"org/base": replace(hub.repositories["org/base"], gated=True)}


def moved(hub: Hub) -> None:
    (hub.repositories["org/base"].folder / "model.safetensors").write_bytes(b"other weights")
    hub.repositories = {"org/base": replace(hub.repositories["org/base"])}


def failing(hub: Hub) -> None:
    hub.answer = lambda *_: Answer(503)  # type: ignore[method-assign]


@pytest.mark.parametrize("change", [gone, gated, moved, failing])
def test_a_run_that_goes_on_asks_nobody_for_what_it_has(
    hub: Hub, change: Callable[[Hub], None]
) -> None:
    first = base()
    change(hub)
    hub.requests.clear()
    assert base(known=True) == first
    assert (first / "model.safetensors").read_bytes() == b"weights"
    assert hub.requests == []


def test_what_was_removed_from_the_cache_is_fetched_again(hub: Hub) -> None:
    (base() / "model.safetensors").unlink()
    assert (base(known=True) / "model.safetensors").read_bytes() == b"weights"


def test_a_cache_that_was_emptied_is_filled_again(hub: Hub) -> None:
    assert (base(known=True) / "model.safetensors").read_bytes() == b"weights"
