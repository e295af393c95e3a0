"""docs/benchmarks.md: a table between its marks, and the machine that it was measured on."""

import os
from pathlib import Path

DOCUMENT = Path(__file__).parents[1] / "docs/benchmarks.md"


def put(text: str, name: str, lines: str) -> str:
    """The document with these lines between the marks of that name."""
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    before, rest = text.split(begin)
    return f"{before}{begin}\n{lines}\n{end}{rest.split(end)[1]}"


def write(name: str, lines: str) -> None:
    """Put them into the document itself."""
    text = DOCUMENT.read_text(encoding="utf-8")
    DOCUMENT.write_text(put(text, name, lines), encoding="utf-8")


def machine() -> str:
    """Cores and processor of this computer."""
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return f"{os.cpu_count()} x {line.split(':', 1)[1].strip()}"
    return f"{os.cpu_count()} cores"
