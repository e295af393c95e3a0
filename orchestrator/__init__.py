"""sparkctl: N DGX Sparks as one GPU swarm, declared, planned, verified, reversible."""

__version__ = "0.1.0"
