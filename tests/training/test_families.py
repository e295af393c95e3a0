"""A few families in every way that applies; `make families` has all of a folder."""

from pathlib import Path

import pytest

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("llama_tied", True),  # embeddings and output layer are one weight
        ("nemotron_h", True),  # a hybrid: other names, experts, and rows that must be padded
        ("qwen3_5", False),  # a wrapper whose text is trained
    ],
)
def test_losses_adapters_and_saved_weights_are_theirs(
    name: str, full: bool, tmp_path: Path
) -> None:
    from tests.families.trial import trial
    from tests.families.twins import write

    outcome = trial(write(name, tmp_path / "base"), tmp_path / "work", full=full)
    assert not outcome.wrong, outcome.line
    assert "sharded" in outcome.losses and ("saved" in outcome.losses) == full


def test_two_ends_that_config_json_calls_one_stay_two(tmp_path: Path) -> None:
    """Sharded, they were one: FSDP2 had taken them for the same weight."""
    from tests.families.trial import trial
    from tests.families.twins import write
    from tests.training.model.test_conversion import changed, two_ends

    base = changed(write("llama_tied", tmp_path / "tied"), tmp_path / "base", two_ends)
    outcome = trial(base, tmp_path / "work")
    assert not outcome.wrong, outcome.line


def test_a_wrong_loss_is_found(tmp_path: Path) -> None:
    from tests.families.trial import apart

    assert not list(apart({"a": 6.0, "b": 6.00001}, "a", "b"))
    assert list(apart({"a": 6.0, "b": 6.001}, "a", "b"))
    assert list(apart({"a": 6.0, "b": float("nan")}, "a", "b"))
