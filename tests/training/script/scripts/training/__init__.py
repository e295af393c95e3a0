"""Of the script's own, not ours."""

WHOSE = "mine"
