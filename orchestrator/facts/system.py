"""Which machine it is, and what it was started with: identity, kernel, distribution."""

import re
from dataclasses import dataclass

from orchestrator import assets
from orchestrator.facts.fact import Group, Printed, Raw
from orchestrator.facts.values import lines, text


@dataclass(frozen=True, kw_only=True)
class Identity:
    """By what a machine is known again, whatever it is called."""

    machine_id: str
    """Of the installed system; empty where it has none yet. A copied disk has that of the first."""
    host_keys: frozenset[str]
    """Public keys of its sshd, as `type base64`."""


@dataclass(frozen=True, kw_only=True)
class Kernel:
    """What runs there."""

    kernel: str
    """System, release and processor, as `uname -srm` prints it."""
    kho_off: bool
    """Whether the kernel was started with `kho=off`."""


@dataclass(frozen=True, kw_only=True)
class Distribution:
    """What is installed."""

    os: str


_OS = """fact os\n( . /etc/os-release; printf '%s' "$PRETTY_NAME" ) 2>/dev/null\n"""


def _identity(raw: Raw) -> Identity:
    """No machine-id is what systemd writes before the first boot is over (`uninitialized`)."""
    given = text(raw["machine_id"])
    return Identity(
        machine_id=given if re.fullmatch(r"[0-9a-f]{32}", given) else "",
        host_keys=frozenset(lines(raw["host_keys"])),
    )


def _stock(number: int) -> Identity:
    return Identity(
        machine_id=f"{number:032x}", host_keys=frozenset({f"ssh-ed25519 AAAA{number:04d}"})
    )


def _printed(identity: Identity) -> Printed:
    host_keys = "\n".join(sorted(identity.host_keys))
    return {"machine_id": identity.machine_id, "host_keys": host_keys}


IDENTITY = Group(
    lambda paths: assets.text("templates/facts/identity.sh"), _identity, _stock, _printed
)
KERNEL = Group(
    lambda paths: assets.text("templates/facts/kernel.sh"),
    lambda raw: Kernel(kernel=text(raw["kernel"]), kho_off=bool(raw["kho_off"].strip())),
    lambda number: Kernel(kernel="Linux 6.17.0-1014-nvidia aarch64", kho_off=False),
    lambda kernel: {"kernel": kernel.kernel, "kho_off": "yes" * kernel.kho_off},
)
DISTRIBUTION = Group(
    lambda paths: _OS,
    lambda raw: Distribution(os=text(raw.get("os", b""))),
    lambda number: Distribution(os="Ubuntu 24.04.3 LTS"),
    lambda distribution: {"os": distribution.os},
)
