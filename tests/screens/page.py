"""A page of screens: what differs from run to run is replaced, in its own length if possible."""

import re
from collections.abc import Iterable
from datetime import date
from pathlib import Path

_RUN = re.compile(r"(?:tiny-llama-\w+|llama3-\w+-\w+)-([0-9a-f]{6})\b")
_REPLACED: tuple[tuple[str, str], ...] = (
    (r"(sparkctl(?:-lab)?/[\w-]+):[0-9a-f]{12}", r"\1:0123456789ab"),
    (r"GPU-[0-9a-f-]{8,36}", "GPU-00000000"),
    (r"20\d\d-\d\d-\d\d", "2026-11-27"),
    (r"\b\d\d:\d\d:\d\d\b", "12:00:00"),
    (r"(2026-11-27) \d\d:\d\d\b", r"\1 12:00"),
    (r"\b\d+\.\d s\b", "0.1 s"),
    (r"\b\d{2,5}/ ", "6006/ "),
    (r"sha256 [0-9a-f]{16}", "sha256 0123456789abcdef"),
)


def replaced(text: str, folder: Path, home: str = "~") -> str:
    """The same, without names of this computer, times, and names that are drawn by lot."""
    text = text.replace(str(folder), home)
    for drawn in set(_RUN.findall(text)):
        text = text.replace(f"-{drawn}", "-0a1b2c")  # also where a line ends within the name
    for pattern, by in _REPLACED:
        text = re.sub(pattern, by, text)
    return "\n".join(line.rstrip() for line in text.splitlines()).rstrip("$\n ")


def page(columns: int, screens: Iterable[str], day: date) -> str:
    """The page; each screen begins with what was typed."""
    head = [
        f"# Every command in {columns} columns",
        "",
        f"Typed into bash in tmux by `python -m tests.screens --write` on {day}, at a lab of two",
        "nodes; GPU figures are those of the lab's stand-in. Times, ids and names of this computer",
        "are replaced. Lines are as long as the terminal shows them.",
        "",
    ]
    blocks = [f"```console\n{screen}\n```\n" for screen in screens]
    return "\n".join([*head, *blocks])
