"""Files of the repository that are made from code: compared in tests, written with one option."""

import difflib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Generated:
    """Call it with a path and the text that should be there."""

    root: Path
    update: bool

    def __call__(self, path: str, text: str) -> None:
        """Fail with a diff when the file is another one; `--update-golden` writes it instead."""
        file = self.root / path
        if self.update:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        there = file.read_text(encoding="utf-8") if file.exists() else ""
        if there != text:
            lines = difflib.unified_diff(
                there.splitlines(), text.splitlines(), path, "generated now", lineterm=""
            )
            raise AssertionError(
                "\n".join([f"{path} is not what the code makes", *lines])
                + "\nIf the new text is meant: python -m pytest --update-golden, then git diff"
            )
