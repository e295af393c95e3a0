"""Why Docker did not start, in its own words first.

systemd tries again by itself and says some five lines each time, so that the last lines of the
unit may hold none of dockerd's.
"""

WHY = """\
words() {
  journalctl "$@" --since "$since" --no-pager -q -o cat | grep -vE 'level=(info|debug)'
}
why() {
  # The journal is behind, on a busy machine by seconds, whatever --sync says.
  for _ in 1 2 3 4 5 6 7 8; do
    sleep 1
    [ -z "$(words _SYSTEMD_UNIT=docker.service)" ] ||
      ! words UNIT=docker.service | grep -q 'Failed with result' || break
  done
  words _SYSTEMD_UNIT=docker.service | tail -n 8
  words UNIT=docker.service | tail -n 4
}
"""
"""Shell functions; `$since` is the time of the start that failed, as journalctl reads it."""
