"""Patterns of hosts and users in ssh_config and known_hosts (ssh_config(5), PATTERNS)."""

import re


def matches(pattern: str, text: str) -> bool:
    """`*` is anything, `?` one character. Brackets mean nothing, other than with fnmatch."""
    regex = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(regex, text, re.DOTALL) is not None


def matches_list(patterns: str, text: str) -> bool:
    """One of several, with commas between them; one with `!` that matches decides against it."""
    listed = patterns.split(",")
    if any(matches(one[1:], text) for one in listed if one.startswith("!")):
        return False
    return any(matches(one, text) for one in listed if not one.startswith("!"))
