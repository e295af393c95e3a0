"""What the Hub answers, and what a person is told. No network."""

from pathlib import Path
from unittest.mock import Mock

import pytest

from training.contract.config import ModelConfig
from training.contract.errors import ConfigurationError, ExitCode, TrainingError
from training.data.fetch import base_folder
from training.rows.missing import hub_errors

errors = pytest.importorskip("huggingface_hub.errors", reason="needs training/requirements.txt")


@pytest.mark.parametrize(
    ("kind", "status", "code", "exit_code"),
    [
        ("GatedRepoError", 403, "hub_gated", ExitCode.CONFIGURATION),
        ("RepositoryNotFoundError", 404, "hub_not_found", ExitCode.CONFIGURATION),
        ("RevisionNotFoundError", 404, "hub_not_found", ExitCode.CONFIGURATION),
        ("HfHubHTTPError", 401, "hub_refused", ExitCode.CONFIGURATION),
        ("HfHubHTTPError", 503, "hub_refused", ExitCode.CRASHED),
    ],
)
def test_an_answer_of_the_hub(kind: str, status: int, code: str, exit_code: ExitCode) -> None:
    answer = getattr(errors, kind)("no", response=Mock(status_code=status, headers={}))
    with pytest.raises(TrainingError) as caught, hub_errors("org/name"):
        raise answer
    assert (caught.value.code, caught.value.exit_code) == (code, exit_code)
    assert "org/name" in caught.value.message


@pytest.mark.parametrize("failure", [ConnectionError("no route"), TimeoutError()])
def test_no_network_may_be_better_next_time(failure: Exception) -> None:
    with pytest.raises(TrainingError) as caught, hub_errors("org/name"):
        raise failure
    assert (caught.value.code, caught.value.exit_code) == ("hub_unreachable", ExitCode.CRASHED)


def test_a_local_folder_must_hold_a_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"no config\.json"):
        base_folder(ModelConfig(name=str(tmp_path)), tmp_path, tmp_path)
    (tmp_path / "config.json").write_text("{}")
    assert base_folder(ModelConfig(name=str(tmp_path)), tmp_path, tmp_path) == tmp_path
