"""What has been trained is there when all ranks agree on it, and not before."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.ranks.recipe import TINY
from training.contract.config import TrainingConfig
from training.contract.errors import ConfigurationError

torch = pytest.importorskip("torch")

from tests.training.loop.test_checkpoint import ALONE  # noqa: E402
from training.model import adapter  # noqa: E402
from training.output import model_card  # noqa: E402
from training.output.save import SavedWeights, save  # noqa: E402
from training.ranks.group import Group  # noqa: E402

pytestmark = pytest.mark.torch
OURS = "ab" * 32


class Beside(Group):
    """Another rank, which has trained what `theirs` is the checksum of."""

    theirs = OURS

    def gather(self, value: Any) -> list[Any]:
        mine = isinstance(value, tuple) and value and value[0] == self.env.node
        return [value, ("spark-b", self.theirs) if mine and value[1] is not None else None]


class Apart(Beside):
    """One that has drifted away."""

    theirs = "cd" * 32


def saved(kind: type[Beside], run_dir: Path, monkeypatch: pytest.MonkeyPatch) -> SavedWeights:
    def write(model: object, tokenizer: object, base: str, out: Path | None) -> str:
        assert out is not None
        out.mkdir()
        (out / "adapter_model.safetensors").write_bytes(b"weights")
        return OURS

    monkeypatch.setattr(adapter, "write", write)
    monkeypatch.setattr(model_card, "model_card", lambda *_: "a card")
    env = replace(ALONE.env, run_dir=run_dir)
    config = TrainingConfig.model_validate(TINY)
    facts: Any = None
    trained: Any = SimpleNamespace(adapted="an adapter")
    return save(trained, None, run_dir, config, env, kind(env, ALONE.device), facts)


def test_what_all_ranks_agree_on_is_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert saved(Beside, tmp_path, monkeypatch) == SavedWeights(OURS, tmp_path / "adapter")
    files = sorted(path.name for path in (tmp_path / "adapter").iterdir())
    assert files == ["README.md", "adapter_model.safetensors"]


def test_ranks_that_have_trained_different_weights_publish_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        saved(Apart, tmp_path, monkeypatch)
    assert caught.value.code == "weights_mismatch"
    assert "spark-b" in caught.value.message
    assert not (tmp_path / "adapter").exists()
