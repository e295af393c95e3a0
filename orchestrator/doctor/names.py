"""Names for `--skip-check`. Apart from the checks, so that `--help` does not read them."""

SKIPPABLE = (
    "gpu", "memory", "disk", "port", "clock", "fabric", "image", "model", "folder", "software",
)  # fmt: skip
"""Names of all checks before a run; a test compares the two."""
