"""What a start does not need it does not import."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.torch

IMPORT = """\
import importlib.util, sys
from training import absent
assert importlib.util.find_spec("bitsandbytes"), "or this test shows nothing"
absent.hide("bitsandbytes")
assert importlib.util.find_spec("bitsandbytes") is None
from training import adapter, attention, checkpoint, curves, planned, save, trainer
print(*sorted({"bitsandbytes.nn", "torch._inductor.compile_fx"} & sys.modules.keys()))
"""


def test_a_hidden_package_and_what_it_brings_stay_out() -> None:
    done = subprocess.run([sys.executable, "-c", IMPORT], capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr
