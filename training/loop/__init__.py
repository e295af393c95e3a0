"""The training itself: steps, checkpoints, curves."""
