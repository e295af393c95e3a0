"""What should be the same on all machines of a gang, and kernels that are known to break NCCL."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_KERNEL_7 = re.compile(r"7\.0\b")
_NCCL_DIES = "owners report that NCCL ends there (ibv_reg_mr_iova2) unless it has kho=off"


@dataclass(frozen=True)
class Software:
    """The versions on one machine; an empty text is not known."""

    kernel: str
    """Release, as `uname -r` prints it."""
    kho_off: bool
    """Whether the kernel was started with `kho=off`."""
    driver: str
    toolkit: str


def uneven(machines: Mapping[str, Software]) -> Iterator[tuple[str, str]]:
    """(node, sentence) of each machine that is not as the first one, or has a bad kernel.

    Kernel 7.0 came to Sparks by a routine upgrade; owners report that NCCL then ends with
    `ibv_reg_mr_iova2 … Cannot allocate memory` unless the kernel was started with kho=off. It is
    theirs to say: sparkctl has not seen it.
    """
    first = next(iter(machines.values()), None)
    for node, one in machines.items():
        if _KERNEL_7.match(one.kernel) and not one.kho_off:
            yield node, f"its kernel is {one.kernel}: {_NCCL_DIES}"
        for what in ("kernel", "driver", "toolkit"):
            here, there = getattr(one, what), getattr(first, what)
            if here and there and here != there:
                yield node, f"its {what} is {here}, that of {next(iter(machines))} is {there}"
