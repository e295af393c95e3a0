"""A stand-in of the lab: with LAB_FSDP_ON_CPU=1 accelerate's FSDP shards on CPUs, too.

Without a GPU accelerate makes DDP of every FSDP configuration, in silence. That one decision is
replaced here, and nothing else. `lab_fsdp_on_cpu.pth` reads this file in every Python of the lab's
training image; it is in no other image.
"""

import os
from typing import Any

if os.environ.get("LAB_FSDP_ON_CPU") == "1" and os.environ.get("ACCELERATE_USE_FSDP") == "true":
    from accelerate import state

    _decide = state.AcceleratorState.__init__

    def _decide_for_fsdp(self: Any, *given: Any, **named: Any) -> None:
        _decide(self, *given, **named)
        plugin = named.get("fsdp_plugin")
        if self.distributed_type == state.DistributedType.MULTI_CPU and plugin is not None:
            self.distributed_type, self.fsdp_plugin = state.DistributedType.FSDP, plugin
            state.PartialState._shared_state["distributed_type"] = self.distributed_type

    state.AcceleratorState.__init__ = _decide_for_fsdp
