"""Who reads ssh_config."""

import shutil
from pathlib import Path
from typing import Protocol

from orchestrator.node.ssh_config.files import ConfigFile, usual_files
from orchestrator.node.ssh_config.host import Settings
from orchestrator.node.ssh_config.openssh import OpenSsh
from orchestrator.node.ssh_config.parser import OwnParser


class Reader(Protocol):
    """OpenSSH, or what stands in for it where it is not installed."""

    def settings(self, host: str, user: str | None, port: int | None) -> Settings:
        """What holds for a host, given what is known without ssh_config.

        Unreadable: what ssh would not follow, or we could not; with file and line.
        """
        ...


def find_reader(config: str | None = None) -> Reader:
    """OpenSSH where it is installed. `config` is read instead of the usual files."""
    file = Path(config).expanduser().absolute() if config else None
    program = shutil.which("ssh")
    if program:
        return OpenSsh(program, file)
    return OwnParser((ConfigFile(file, checked=False),) if file else usual_files())
