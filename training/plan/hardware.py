"""What one machine can do: others' measurements of a Spark, unverified by us."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Hardware:
    """What one machine can do. GB10: unverified by us, overridable, see docs/unverified.md."""

    flops: float = 45e12
    """Sustained FLOP/s in bfloat16: 849 tokens/s of a 9 B LoRA x 6 x 9e9 (unsloth#10280)."""
    link: float = 20.4e9
    """Bytes/s of a collective between two machines (nccl-tests by two-Spark users)."""
    runtime: int = 3 * 2**30
    """Bytes that CUDA and NCCL take for themselves (an assumption)."""
    kind: Literal["cuda", "cpu"] = "cuda"


GB10 = Hardware()
CPU = Hardware(runtime=0, kind="cpu")
"""Of this one only the memory terms are of use."""
