"""Simulated DGX Sparks on this computer: real SSH, sudo, systemd, Docker and swarm, no GPU.

The same code serves `make demo`, the tests and users. Everything that a lab makes carries the label
`sparkctl.lab=<name>`; images, and the volume with the training image, are `sparkctl.lab=shared`.
"""

from orchestrator.lab.down import down, names
from orchestrator.lab.lab import Progress, up
from orchestrator.lab.spec import LabSpec
from orchestrator.lab.status import NodeStatus, status

__all__ = ["LabSpec", "NodeStatus", "Progress", "down", "names", "status", "up"]
