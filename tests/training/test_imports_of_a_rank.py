"""What a rank imports before it joins the others: seconds of every start and restart."""

import json
import subprocess
import sys

import pytest

from tests.support.clusters import ROOT

pytestmark = pytest.mark.torch

IMPORT = """\
import json, sys
from training.ranks.hide_package import hide_package
for name in ("bitsandbytes", "wandb", "mlflow", "trackio"):
    hide_package(name)
from training.data.prepared import prepare
from training.loop.fit import agree_on_checkpoint, fit
from training.model.base import load_base
from training.output.publish import publish
from training.ranks import log_levels
from training.ranks.joined import join
print(json.dumps([name for name, module in sys.modules.items() if module is not None]))
"""
"""As training/train.py does it."""
MOST = 3050
"""Modules. With trl's SFTTrainer they were 3,904 (2026-11-28)."""
NOT_NEEDED = {
    "transformers.trainer",
    "trl.trainer.sft_trainer",
    "bitsandbytes.nn",
    "wandb",
    "mlflow",
    "trackio",
    "trl",
    "pandas",
    "datasets",
    "tensorboard",  # rank 0 alone, when it draws
}


def test_a_start_imports_what_it_needs() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", IMPORT], cwd=ROOT, capture_output=True, text=True, check=True
    )
    modules = set(json.loads(ran.stdout.splitlines()[-1]))
    assert not NOT_NEEDED & modules
    assert len(modules) <= MOST
