"""Our own engine: `training/`, one process on each node."""
