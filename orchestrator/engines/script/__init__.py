"""The engine `script`: a stack's own script under accelerate or torchrun; docs/scripts.md."""
