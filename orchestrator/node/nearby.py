"""Machines on the local network that announce SSH (mDNS), as this computer's own tool knows them.

Unverified on a Spark: one that announces nothing is not found, and is still reached by its name.
"""

import re
import shutil
import subprocess
from collections.abc import Iterator

_SECONDS = 3.0
_HOST = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})*")
"""What is taken for a name: anybody on the network may announce anything."""
_MOST = 50


def finder() -> str | None:
    """The tool that is asked; None where there is none."""
    return next((tool for tool in ("avahi-browse", "dns-sd") if shutil.which(tool)), None)


def nearby() -> list[str]:
    """Host names, each once; empty without a tool, or when it fails."""
    match finder():
        case "avahi-browse":
            found = _resolved(_output("avahi-browse", "-p", "-r", "-t", "_ssh._tcp"))
        case "dns-sd":
            found = _instances(_output("dns-sd", "-B", "_ssh._tcp", "local"))
        case _:
            return []
    return list(dict.fromkeys(name for name in found if _HOST.fullmatch(name)))[:_MOST]


def _output(*command: str) -> str:
    """What it has printed until it ended, or until the time was over."""
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_SECONDS, check=False
        )
        printed: bytes | None = done.stdout
    except subprocess.TimeoutExpired as late:
        printed = late.stdout
    except OSError:
        printed = None
    return (printed or b"").decode(errors="replace")


def _resolved(output: str) -> Iterator[str]:
    """Of avahi-browse: `=;eth0;IPv4;instance;_ssh._tcp;local;spark-1.local;10.0.0.7;22;…`."""
    for line in output.splitlines():
        fields = line.split(";")
        if fields[0] == "=" and len(fields) > 6:
            yield fields[6]


def _instances(output: str) -> Iterator[str]:
    """Of dns-sd, which names the announcement alone: it is called after the host."""
    for line in output.splitlines():
        fields = line.split(None, 6)
        if len(fields) == 7 and fields[1] == "Add" and " " not in fields[6].strip():
            yield f"{fields[6].strip()}.local"
