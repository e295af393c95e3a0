"""What a start does not need it does not import."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.torch

IMPORT = """\
import sys
from training import absent
if {hidden}:
    absent.hide("bitsandbytes")
from training import adapter, trainer
print(*sorted({{"bitsandbytes.nn", "torch._inductor.compile_fx"}} & sys.modules.keys()))
"""


@pytest.mark.parametrize(
    ("hidden", "imported"),
    [(True, []), (False, ["bitsandbytes.nn", "torch._inductor.compile_fx"])],
)
def test_a_hidden_package_and_what_it_brings_stay_out(hidden: bool, imported: list[str]) -> None:
    code = IMPORT.format(hidden=hidden)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == imported
