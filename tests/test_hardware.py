"""What only a real DGX Spark can show: docs/unverified.md. Skipped where there is none, visibly."""

from pathlib import Path

import pytest

on_a_spark = pytest.mark.skipif(
    not Path("/etc/dgx-release").exists(), reason="needs a real DGX Spark (docs/unverified.md)"
)


@pytest.mark.hardware
@on_a_spark
@pytest.mark.parametrize(
    "question",
    [
        "a Swarm task sees /dev/infiniband/uverbs0 with NVIDIA_MOFED=enabled",
        "the fabric is detected without being named in the cluster file",
        "the training image builds on the NGC base",
        "llama3-70b-lora reaches step 10 within the memory of two nodes",
    ],
)
def test_on_hardware(question: str) -> None:
    pytest.fail(f"not automated yet; to be answered on a Spark: {question}")
