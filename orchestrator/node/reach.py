"""Whether a packet gets from one machine to a port of another, where nobody need listen yet."""

from dataclasses import dataclass
from typing import Literal

REACHES = r"""nothing_came_back() {
  case $1 in
    tcp) said=$(LC_ALL=C timeout 3 bash -c ": </dev/tcp/$2/$3" 2>&1) ;;
    udp) said=$(LC_ALL=C timeout 3 bash -c "exec 3<>/dev/udp/$2/$3 || exit 0
      printf x >&3; read -r -t 2 -u 3; [ \$? -le 128 ] || echo timed out" 2>&1) ;;
  esac
  case "$?:$said" in 124:* | *'timed out'* | *unreachable* | *'No route'*) ;; *) return 1 ;; esac
}
blocked() { ! nothing_came_back "$@" || printf '%s %s %s\n' "$@"; }
command -v bash >/dev/null || blocked() { :; }"""
"""Shell: `blocked tcp ADDRESS PORT` prints its words again when nothing comes back in 3 seconds, or
that there is no way. A port where nobody listens refuses (RST, ICMP), and that is an answer; a
firewall that drops or forbids gives none. Of udp a listener is silent too: ask only where there is
none. A machine without bash is not asked."""


@dataclass(frozen=True)
class Door:
    """A port of a machine, as another one sees it."""

    protocol: Literal["tcp", "udp"]
    address: str
    port: int

    def __str__(self) -> str:
        return f"{self.protocol} {self.address} {self.port}"


def blocked_script(doors: tuple[Door, ...]) -> str:
    """Shell: those that are shut, one a line, all asked at the same time."""
    asked = "\n".join(f"blocked {door} &" for door in doors)
    return f"{REACHES}\n{asked}\nwait\n"


def shut(output: str, doors: tuple[Door, ...]) -> tuple[Door, ...]:
    """The doors that the script named."""
    named = set(output.splitlines())
    return tuple(door for door in doors if str(door) in named)
