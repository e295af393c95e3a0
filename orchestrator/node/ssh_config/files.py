"""The files of ssh_config, and what they include."""

import glob
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from orchestrator.node.ssh_config.tokens import home
from orchestrator.node.ssh_config.words import BLANK, Unreadable, UnreadableFile


@dataclass(frozen=True)
class ConfigFile:
    """One file; one that is not there is empty."""

    path: Path
    of_user: bool = True
    """Else of the system: paths that it includes are in its own folder."""
    checked: bool = True
    """Others may not write it, as ssh demands of every file but one named by `-F`."""

    def lines(self) -> Iterator[tuple[int, str]]:
        """Lines with their numbers; another encoding than UTF-8 is kept byte by byte."""
        try:
            with self.path.open("rb") as opened:
                found = os.fstat(opened.fileno())
                if self.checked and (found.st_uid not in (0, os.getuid()) or found.st_mode & 0o022):
                    raise UnreadableFile(f"Bad owner or permissions on {self.path}")
                text = opened.read().decode("utf-8", "surrogateescape")
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return
        except OSError as error:
            raise UnreadableFile(f"{self.path}: {error.strerror}") from None
        for number, line in enumerate(text.split("\n"), 1):
            yield number, line.partition("\0")[0].rstrip(BLANK + "\f")

    def included(self, pattern: str) -> list["ConfigFile"]:
        """In the order of their names. Unreadable: a pattern that ssh does not take."""
        if not pattern or "\\" in pattern or (pattern.startswith("~") and not self.of_user):
            raise Unreadable(f"bad include path {pattern}")
        if not pattern.startswith(("/", "~")):
            pattern = f"{'~/.ssh' if self.of_user else '/etc/ssh'}/{pattern}"
        # As glob(3), which ssh leaves it to: `~` is $HOME here, `*` is no name with a dot first.
        paths = glob.glob(str(Path(pattern).expanduser()))  # noqa: PTH207
        return [ConfigFile(Path(path), self.of_user) for path in sorted(paths, key=os.fsencode)]


def usual_files() -> tuple[ConfigFile, ...]:
    """The user's, then the system's."""
    return (
        ConfigFile(Path(home()) / ".ssh/config"),
        ConfigFile(Path("/etc/ssh/ssh_config"), of_user=False),
    )
