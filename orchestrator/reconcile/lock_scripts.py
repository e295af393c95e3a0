"""The lock's scripts. `{lock}` is its folder, quoted; the folder above it is flock(1)ed.

Looking and taking are one step, among ourselves, under flock(1) on the folder; a Docker restart
whose controller has died holds it too, for four minutes at the most. The folder may have
been removed by a release while we waited for it, hence the comparison.
"""

from orchestrator.node.fence import LOST

MAKE_FOR_ROOT = 'mkdir -p -m 700 "$folder" && chmod 700 "$folder"'
"""Nobody else can hold flock(1) on it."""

MAKE_FOR_DOCKER = """\
mkdir -m 770 "$folder" 2>/dev/null && {
    chgrp "$(stat -Lc %g /var/run/docker.sock)" "$folder" && chmod 2770 "$folder"
  }
  umask 007"""
"""For all who may use Docker, and nobody else."""

_ENTER = """\
lock={lock}
folder=${{lock%/*}}
touched() {{ stat -c %Y "$lock/owner" 2>/dev/null || stat -c %Y "$lock"; }}
silent() {{ echo $(( $(date +%s) - $(touched) )); }}
until [ -d "$folder" ] &&
      [ "$(stat -c %i "$folder" 2>/dev/null)" = "$(stat -Lc %i /proc/self/fd/9 2>/dev/null)" ]; do
  {make}
  exec 9<"$folder" && flock -w 240 9 || {{
    echo "something still goes on there; it holds flock(1) on $folder" >&2
    exit 1
  }}
done
"""

TAKE = (
    _ENTER
    + """\
if [ -d "$lock" ] && [ "$(silent)" -lt {stale} ] && ! grep -qsF {dead} "$lock/owner"; then
  silent
  cat "$lock/owner" 2>/dev/null || :
  exit 0
fi
set -e
rm -rf "$lock"
mkdir "$lock"
echo {owner} | base64 -d >"$lock/owner"
"""
)
"""Prints the seconds of silence and the holder of a lock that is held; nothing when it is ours.

`{dead}`: the token of a holder that is known to be dead."""

READ = """\
lock={lock}
[ ! -d "$lock" ] || {{
  echo $(( $(date +%s) - $(stat -c %Y "$lock/owner" 2>/dev/null || stat -c %Y "$lock") ))
  cat "$lock/owner" 2>/dev/null || :
}}
"""

CHECK = f"grep -qsF {{token}} {{lock}}/owner || exit {LOST}"
"""One line, for the fence."""

BEAT_SCRIPT = f"{CHECK}\ntouch -c {{lock}}/owner"

RELEASE = (
    _ENTER
    + """\
grep -qsF {token} "$lock/owner" && rm -rf "$lock"
rmdir "$folder" 2>/dev/null || :
"""
)

BREAK = (
    _ENTER
    + """\
rm -rf "$lock"
rmdir "$folder" 2>/dev/null || :
"""
)
