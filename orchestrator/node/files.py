"""Shell that writes and removes files so that a crash leaves the old or the new, never a half."""

import shlex
from dataclasses import dataclass

from orchestrator.templates import render_template


@dataclass(frozen=True)
class File:
    """A file as it is: bytes, mode (octal text as `stat -c %a`), numeric owner and group."""

    content: bytes
    mode: str
    uid: int
    gid: int


def real_path(path: str) -> str:
    """Shell: `$real` is the file that `path` leads to where it is a link, else `path`."""
    target = shlex.quote(path)
    return f"real={target}; [ ! -L {target} ] || real=$(readlink -f {target})"


def write_file(path: str, file: File) -> str:
    """Shell: replace `path` atomically, a link too. Its folder must be there."""
    return _write(shlex.quote(path), file)


def write_through(path: str, file: File) -> str:
    """The same; a link stays, and what it leads to is replaced.

    Only for a link that root made: whoever owns the folder that it leads to has a say already.
    """
    return f"{real_path(path)}\n" + _write('"$real"', file)


def _write(target: str, file: File) -> str:
    """`target` is a word of the shell, quoted."""
    return render_template("files/write.sh.j2", target=target, file=file)


def remove_file(path: str) -> str:
    """Shell: remove `path` if it is there."""
    return render_template("files/remove.sh.j2", path=path)
