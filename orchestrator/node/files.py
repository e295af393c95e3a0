"""Shell that writes and removes files so that a crash leaves the old or the new, never a half."""

import base64
import shlex

from orchestrator.node.facts import File


def staged(path: str, file: File) -> str:
    """Shell: `$staged` is a complete, fsynced file beside `path`, with its mode and owner.

    On a full disk the half of it is removed again, and the shell exits.
    """
    target = shlex.quote(path)
    return f"""\
staged=$(mktemp {target}.sparkctl.XXXXXX)
{{ base64 -d >"$staged" &&
  chown {file.uid}:{file.gid} "$staged" &&
  chmod {shlex.quote(file.mode)} "$staged" &&
  sync "$staged"
}} <<'SPARKCTL_END' || {{ rm -f "$staged"; exit 1; }}
{base64.encodebytes(file.content).decode()}SPARKCTL_END
"""


def write_file(path: str, file: File) -> str:
    """Shell: replace `path` atomically. Its folder must be there."""
    target = shlex.quote(path)
    return f"""\
set -e
{staged(path, file)}
mv -f "$staged" {target}
sync "$(dirname {target})"
"""


def remove_file(path: str) -> str:
    """Shell: remove `path` if it is there."""
    target = shlex.quote(path)
    return f'set -e\nrm -f {target}\nsync "$(dirname {target})"\n'
