"""One rank among others: its start, the group, the proof that they belong together, its events."""
