"""Checks by subject, for `up`, `down` and `train` alike; docs/checks.md is made of them."""
