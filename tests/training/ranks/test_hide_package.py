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
