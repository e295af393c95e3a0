"""`method.init_from` names an adapter of a Hub: public, gated, missing, or none of peft's."""

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("torch")

from tests.support.hub.client import speak_to
from tests.support.hub.repository import Repository
from tests.support.hub.server import Hub
from tests.training.model.test_adapter import _logits, _train, llama, lora
from training.builtin.tiny import make_tokenizer
from training.contract.errors import TrainingError
from training.model import adapter, start_from

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """With a trained adapter for all, the same for members, and two repositories without one."""
    first = adapter.attach(llama(), lora(), seed=7)
    _train(first)
    folder = tmp_path / "adapter"
    adapter.write(first, make_tokenizer(), "org/base", folder)
    (folder / "optimizer.pt").write_bytes(b"of no use")
    whole, old = tmp_path / "whole", tmp_path / "old"
    for other in (whole, old):
        other.mkdir()
    (whole / "model.safetensors").write_bytes(b"a whole model")
    (old / "adapter_config.json").write_bytes((folder / "adapter_config.json").read_bytes())
    (old / "adapter_model.bin").write_bytes(b"pickled")
    members = frozenset({"hf_member"})
    served = {
        "org/open": Repository(folder),
        "org/gated": Repository(folder, gated=True, members=members),
        "org/private": Repository(folder, private=True, members=members),
        "org/whole": Repository(whole),
        "org/old": Repository(old),
        "org/rows": Repository(folder, kind="datasets"),
    }
    with Hub(served) as hub:
        speak_to(hub, tmp_path / "cache", monkeypatch)
        yield hub


@pytest.mark.parametrize(
    ("name", "token"),
    [("org/open", None), ("org/gated", "hf_member"), ("org/private", "hf_member")],
)
def test_training_starts_from_an_adapter_of_the_hub(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, name: str, token: str | None
) -> None:
    if token:
        monkeypatch.setenv("HF_TOKEN", token)
    method = lora(init_from=name)
    ours, fresh = (adapter.attach(llama(), method, seed=8) for _ in range(2))
    folder = start_from.folder_of(name, Path("/none"))
    assert start_from.put(ours, folder, name, method) == "org/base"
    files = sorted(path.name for path in folder.iterdir())
    assert files == ["adapter_config.json", "adapter_model.safetensors"]  # and no more is fetched
    there = adapter.attach(llama(), lora(), seed=9)
    start_from.put(there, hub.repositories[name].folder, name, method)
    assert (_logits(ours.model) == _logits(there.model)).all()
    assert (_logits(ours.model) != _logits(fresh.model)).any()


@pytest.mark.parametrize(
    ("name", "token", "code", "words"),
    [
        ("org/none", None, "hub_not_found", "does not exist on the Hub, or is private"),
        ("org/none", "hf_member", "hub_not_found", "does not exist on the Hub, or is private"),
        ("org/private", None, "hub_not_found", "does not exist on the Hub, or is private"),
        ("org/rows", None, "hub_not_found", "does not exist on the Hub, or is private"),
        ("org/gated", None, "hub_gated", "is gated"),
        ("org/gated", "hf_other", "hub_gated", "is gated"),
        ("org/whole", None, "adapter_not_found", "holds no adapter_config.json"),
        ("org/old", None, "adapter_not_found", "holds no adapter_model.safetensors"),
    ],
)
def test_one_that_is_not_there_is_told_by_name(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, name: str, token: str | None, code: str, words: str
) -> None:
    if token:
        monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises(TrainingError) as told:
        start_from.folder_of(name, Path("/none"))
    assert told.value.code == code and f"{name} {words}" in told.value.message
    assert told.value.remedy


def test_a_run_that_goes_on_has_it_already(hub: Hub) -> None:
    folder = start_from.folder_of("org/open", Path("/none"))
    hub.repositories = {}
    assert start_from.folder_of("org/open", Path("/none"), known=True) == folder
