"""The hosts that ssh_config names one by one: what a person would type after `ssh`."""

from collections.abc import Iterator
from pathlib import Path

from orchestrator.node.ssh_config.files import ConfigFile, usual_files
from orchestrator.node.ssh_config.words import BLANK, arguments, first_word

_DEEPEST = 16  # files including files; as in ssh


def host_aliases(config: str | None = None) -> list[str]:
    """Each once, in the order of the files; no patterns. `config` is read instead of the usual
    files. Raises Unreadable."""
    named = Path(config).expanduser().absolute() if config else None
    files = (ConfigFile(named, checked=False),) if named else usual_files()
    return list(dict.fromkeys(alias for file in files for alias in _named_in(file, 0)))


def _named_in(file: ConfigFile, depth: int) -> Iterator[str]:
    for _, line in file.lines():
        word, rest = first_word(line.lstrip(BLANK))
        if word.lower() == "host":
            yield from (host for host in arguments(rest) if not set(host) & set("*?!"))
        elif word.lower() == "include" and depth < _DEEPEST:
            for pattern in arguments(rest):
                for included in file.included(pattern):
                    yield from _named_in(included, depth + 1)
