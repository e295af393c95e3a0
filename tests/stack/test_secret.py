"""Where the values of secrets come from, and who is told when there is none."""

from pathlib import Path

import pytest

from orchestrator.errors import RunError
from orchestrator.spec.load import load_stack
from orchestrator.spec.stack import StackSpec
from orchestrator.stack.secret import secret_values


def stack(secrets: str) -> StackSpec:
    return load_stack("tiny-llama-lora", (f"secrets=[{secrets}]",))


def kept(file: Path, value: str, mode: int = 0o600) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"{value}\n")
    file.chmod(mode)
    return file


def test_environment_then_file_then_login(tmp_path: Path) -> None:
    file = kept(tmp_path / "mine", "from-file")
    home = {"HOME": str(tmp_path)}
    kept(tmp_path / ".cache/huggingface/token", "from-login")
    with_file, without = f"{{name: HF_TOKEN, file: {file}}}", "{name: HF_TOKEN}"
    assert secret_values(stack(with_file), home | {"HF_TOKEN": "x"}) == {"HF_TOKEN": "x"}
    assert secret_values(stack(with_file), home) == {"HF_TOKEN": "from-file"}
    assert secret_values(stack(without), home) == {"HF_TOKEN": "from-login"}
    elsewhere = {"HF_HOME": str(tmp_path / "other")}
    assert secret_values(stack(without), home | elsewhere) == {}
    pointed = {"HF_TOKEN_PATH": str(file)}
    assert secret_values(stack(without), home | elsewhere | pointed) == {"HF_TOKEN": "from-file"}


def test_a_login_is_for_its_own_secret_alone(tmp_path: Path) -> None:
    kept(tmp_path / ".cache/huggingface/token", "from-login")
    assert secret_values(stack("{name: WANDB_API_KEY}"), {"HOME": str(tmp_path)}) == {}


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_a_file_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    file = kept(tmp_path / "mine", "value-of-it", mode)
    with pytest.raises(RunError, match="others may read") as caught:
        secret_values(stack(f"{{name: A_KEY, file: {file}}}"), {})
    assert caught.value.resolution == f"chmod 600 {file}"
    assert "value-of-it" not in str(caught.value.to_dict())


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="cannot be read") as caught:
        secret_values(stack(f"{{name: A_KEY, file: {tmp_path / 'none'}}}"), {})
    assert "No such file" in str(caught.value.details)
