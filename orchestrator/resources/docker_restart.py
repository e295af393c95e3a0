"""Docker restarted with another daemon.json, so that whatever happens the machine keeps a Docker.

Once the file is staged and dockerd has said that it can read it, everything happens in a transient
systemd unit on the machine. It goes on to its end when the controller, the connection or the login
session vanish; until then it holds flock(1) on the folder of the lock: whoever comes next waits.
"""

import re
import shlex
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath

from orchestrator.names import DAEMON_JSON, LOCK_FOLDER
from orchestrator.node.files import File, real_path, staged
from orchestrator.node.node import Node
from orchestrator.resources.docker_words import WHY

UNIT = "sparkctl-docker-restart.service"

_STARTS_WITHIN = 70  # seconds until dockerd must answer; there are at most three attempts
_UNIT_DEADLINE = 3 * _STARTS_WITHIN + 20


class Outcome(StrEnum):
    """What came of it."""

    DONE = "done"
    REFUSED = "refused"
    """dockerd does not accept the file, nothing was replaced."""
    PUT_BACK = "put back"
    """Docker did not start with the file, and runs with the one that was there."""
    DEFAULTS = "defaults"
    """Nor did it start with the one that was there, which is back; it runs without any."""
    DOWN = "down"
    """Not even that."""


@dataclass(frozen=True)
class Restart:
    """The outcome, and the lines that Docker had to say."""

    outcome: Outcome
    lines: str


def restart_with(node: Node, file: File | None, *, with_folder: bool = True) -> Restart:
    """Replace daemon.json by `file` (None: remove it) and restart Docker.

    Without `with_folder` its folder goes with it, if it is empty then. Where Docker was installed
    in another way since, nobody reads the file any more: it is given back, and nothing restarted.
    """
    said = node.script(_session(file), deadline=2 * _UNIT_DEADLINE + 60)
    if not with_folder:
        node.script(f"rmdir {PurePosixPath(DAEMON_JSON).parent} 2>/dev/null || :")
    outcome, _, lines = said.partition("\n")
    # dockerd has read the copy that is beside it.
    named = re.sub(r"\.sparkctl\.\w+(\.\w+)?", "", lines)
    return Restart(Outcome(outcome), named.strip())


def _session(file: File | None) -> str:
    """The part that may die with its connection: stage, ask dockerd, and wait for the unit."""
    codes = "\n".join(f"  {code}) echo {shlex.quote(name)} ;;" for code, name in _CODES.items())
    return f"""\
set -e
{_WAIT}
{"" if file is None else f"mkdir -p {PurePosixPath(DAEMON_JSON).parent}"}
{_CHECK}
{real_path(DAEMON_JSON)}
{"staged=" if file is None else staged('"$real"', file)}
if [ "$(systemctl show -p LoadState --value docker.service)" = not-found ]; then
  if [ -z "$staged" ]; then rm -f "$real"; else mv -f "$staged" "$real"; fi
  sync "${{real%/*}}" || :
  echo {Outcome.DONE}
  exit 0
fi
if [ -n "$staged" ] && ! said=$(check "$staged"); then
  rm -f "$staged"
  printf '%s\\n' {shlex.quote(Outcome.REFUSED)} "$said"
  exit 0
fi
since=$(date '+%Y-%m-%d %H:%M:%S')
code=0
systemd-run --quiet --collect --wait --unit={UNIT} --service-type=exec \\
  --description='sparkctl: restart Docker with another daemon.json' \\
  --property=SyslogIdentifier="sparkctl-$$" \\
  sh -c {_for_systemd(_unit())} sh "$staged" || code=$?
journalctl --sync 2>/dev/null || :
lines=$(journalctl -t "sparkctl-$$" --since "$since" --no-pager -q -o cat) || :
case $code in
{codes}
  *) printf '%s\n' "$lines" "{UNIT} ended with exit code $code" >&2; exit 1 ;;
esac
printf '%s\n' "$lines"
"""


_CODES = {0: Outcome.DONE, 10: Outcome.PUT_BACK, 11: Outcome.DEFAULTS, 12: Outcome.DOWN}

# A unit of a controller that has died works with its own file or puts the original back: both are
# what ours was made from.
_WAIT = f"""\
end=$(( $(date +%s) + {_UNIT_DEADLINE} ))
while systemctl show -p ActiveState --value {UNIT} | grep -qxE "(de)?activating|active"; do
  [ "$(date +%s)" -lt "$end" ] || {{ echo '{UNIT} still runs' >&2; exit 1; }}
  sleep 0.2
done
"""

# dockerd's own word on a file, together with the flags that it runs with. One before Docker 23 can
# only be started: where it is not root, as in a user namespace of its own, it ends as soon as it
# has read the file and before it touches anything. There it may read what belongs to root alone.
_CHECK = """\
flags() {
  pid=$(systemctl show -p MainPID --value docker.service)
  [ ! -e "/proc/$pid/cmdline" ] || tail -z -n +2 "/proc/$pid/cmdline"
}
check() {
  if dockerd --help 2>&1 | grep -q -- --validate; then
    flags | xargs -0 sh -c 'exec dockerd "$@" --config-file "$0" --validate' "$1" 2>&1
  else
    own=$(mktemp "$1.XXXXXX") && cat "$1" >"$own" || return 1
    said=$(flags | xargs -0 sh -c \\
      'exec timeout 10 unshare --user dockerd "$@" --config-file "$0"' "$own" 2>&1) || :
    rm -f "$own"
    case $said in
      *'started with root'* | unshare:*) ;;
      *) printf '%s\\n' "$said"; return 1 ;;
    esac
  fi
}
"""


def _unit() -> str:
    """The part that goes on to its end; `$1` is the staged file, empty for none.

    dockerd reads its file when it starts. So, where even the former file does not let it start, it
    is started without it, with the data-root that it had, and the file is put back after that: a
    Docker that has not read its last file, which is how it was found.
    """
    return f"""\
{real_path(DAEMON_JSON)}
mkdir -p -m 700 {LOCK_FOLDER}
exec 9<{LOCK_FOLDER}
flock -w 60 9 || exit 1
kept=$(mktemp -d /run/sparkctl-restart.XXXXXX) || exit 1
trap 'rm -rf "$kept"; rmdir {LOCK_FOLDER} 2>/dev/null' EXIT
[ ! -e "$real" ] || cp -a "$real" "$kept/former" || exit 1
put_back() {{
  if [ -e "$kept/former" ]; then
    cp -a "$kept/former" "$real.sparkctl.former" && sync "$real.sparkctl.former" &&
      mv -f "$real.sparkctl.former" "$real"
  else
    rm -f "$real"
  fi
  sync "${{real%/*}}"
}}
{_CHECK}
starts() {{
  since=$(date '+%Y-%m-%d %H:%M:%S.%6N')
  end=$(( $(date +%s) + {_STARTS_WITHIN} ))
  systemctl reset-failed docker.service docker.socket 2>/dev/null
  timeout {_STARTS_WITHIN} systemctl restart docker.service >/dev/null 2>&1 || return 1
  until timeout 10 docker version >/dev/null 2>&1; do
    [ "$(date +%s)" -lt "$end" ] || return 1
    sleep 0.2
  done
}}
{WHY}root=$(timeout 10 docker info --format '{{{{.DockerRootDir}}}}' 2>/dev/null)
if [ -z "$1" ]; then rm -f "$real"; else mv -f "$1" "$real"; fi || exit 1
sync "${{real%/*}}"
starts && exit 0
lines=$(why)
put_back
starts && printf '%s\n' "$lines" && exit 10
why
printf '{{"data-root": "%s"}}' "${{root:-/var/lib/docker}}" >"$kept/defaults"
check "$kept/defaults" >/dev/null || echo '{{}}' >"$kept/defaults"
cp "$kept/defaults" "$real"
starts; started=$?
put_back
[ "$started" = 0 ] && exit 11
exit 12
"""


def _for_systemd(script: str) -> str:
    """As one word of a command line in which systemd expands variables."""
    return shlex.quote(script.replace("$", "$$"))
