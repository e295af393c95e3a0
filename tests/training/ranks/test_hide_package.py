"""What a start does not need it does not import."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.torch

IMPORT = """\
import importlib.util, sys
from training.ranks.hide_package import hide_package
assert importlib.util.find_spec("bitsandbytes"), "or this test shows nothing"
hide_package("bitsandbytes")
assert importlib.util.find_spec("bitsandbytes") is None
from training.model import adapter
from training.model import attention
from training.loop import checkpoint
from training.loop import curves
from training.loop import training
from training.output import save
print(*sorted({"bitsandbytes.nn", "torch._inductor.compile_fx"} & sys.modules.keys()))
"""


def test_a_hidden_package_and_what_it_brings_stay_out() -> None:
    done = subprocess.run([sys.executable, "-c", IMPORT], capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr


LEARN = """\
import sys
from contextlib import nullcontext
from training.ranks.hide_package import hide_package, stand_in
hide_package("bitsandbytes")
stand_in("trl.trainer.utils", maybe_gather_lm_head_ctx=lambda *_: nullcontext())
import torch
from transformers import LlamaConfig, LlamaForCausalLM
from training.loop.loss import Loss
sizes = {"vocab_size": 8, "hidden_size": 8, "intermediate_size": 8, "num_attention_heads": 1}
model = LlamaForCausalLM(LlamaConfig(**sizes, num_hidden_layers=1))
ids = torch.arange(4)[None]
batch = {"input_ids": ids, "positions": ids[0, :3], "targets": ids[0, 1:]}
Loss(model).of_training(model, batch, 3, 1).backward()
assert model.lm_head.weight.grad.any()
print(*sorted({"pandas", "datasets", "trl.trainer"} & sys.modules.keys()))
"""


def test_a_step_with_trl_s_kernel_imports_nothing_of_its_trainers() -> None:
    """As training/train.py sees to it."""
    done = subprocess.run([sys.executable, "-c", LEARN], capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr
