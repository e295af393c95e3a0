"""What one machine can do: others' measurements of a Spark, unverified by us."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Hardware:
    """What one machine can do. GB10: unverified by us, overridable, see docs/unverified.md."""

    flops: float = 80e12
    """FLOP/s of products of bfloat16 matrices alone: owners measured 62e12 to 100e12."""
    memory: float = 200e9
    """Bytes/s of its memory: 273e9 by its maker, 180e9 to 192e9 and more measured by owners."""
    link: float = 20.4e9
    """Bytes/s of a collective between two machines (nccl-tests by two-Spark users)."""
    runtime: int = 3 * 2**30
    """Bytes that CUDA and NCCL take for themselves (an assumption)."""
    kind: Literal["cuda", "cpu"] = "cuda"


GB10 = Hardware()
CPU = Hardware(runtime=0, kind="cpu")
"""Of this one only the memory terms are of use."""
