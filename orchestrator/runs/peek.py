"""Shell that looks at files which a container may have made: no link is followed, no pipe waited
for, and no more is read than was asked for."""

import shlex

PEEK = """\
size() { if [ -f "$1" ] && [ ! -L "$1" ]; then stat -c %s -- "$1"; else echo 0; fi; }
peek() {
  [ ! -f "$1" ] || [ -L "$1" ] || dd if="$1" skip="$2" count="$3" bs=64K status=none \\
    iflag=nofollow,nonblock,fullblock,skip_bytes,count_bytes 2>/dev/null
}
peek_end() { at=$(($(size "$1") - $2)); [ "$at" -gt 0 ] || at=0; peek "$1" "$at" "$2"; }
"""
"""`size FILE`, `peek FILE FROM BYTES`, `peek_end FILE BYTES`. Nothing is told of what is none."""


def runs_folder(runs: str) -> str:
    """Shell: `$folder` is this path (`paths.runs`) on the machine that runs it."""
    return f"""\
folder={shlex.quote(runs)}
home=$(getent passwd "${{SUDO_USER:-$(id -un)}}" | cut -d: -f6)
case $folder in '~'*) folder=$home${{folder#'~'}} ;; esac
"""
