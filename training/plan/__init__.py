"""Memory, time and strategy before anything runs: arithmetic, no torch."""
