"""Numbers and times for people. A loss may be none: a rank writes null for what is no number."""

from collections.abc import Mapping
from datetime import datetime, tzinfo


def loss(value: float | None) -> str:
    """Four digits, or `not a number`."""
    return "not a number" if value is None else f"{value:.4f}"


def pace(value: float | None) -> str:
    """Tokens per second."""
    return "-" if value is None else f"{value:,.0f}"


def gib(count: int | None) -> str:
    """Bytes as GiB."""
    return "-" if count is None else f"{count / 2**30:.1f} GiB"


def peaks(memory: Mapping[str, int]) -> str:
    """Bytes by kind, in one line: `host 1.2 GiB, allocated 58.0 GiB, reserved 61.3 GiB`."""
    return ", ".join(f"{kind} {gib(count)}" for kind, count in memory.items())


def clock(seconds: float) -> str:
    """3:07, or 1:03:07."""
    minutes, rest = divmod(int(max(seconds, 0)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def duration(seconds: float) -> str:
    """In the two units that matter: 40 s, 12 min, 1 h 23 min, 3 d 4 h."""
    minutes = round(seconds / 60)
    hours, days = minutes // 60, minutes // (24 * 60)
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    if hours < 1:
        return f"{minutes} min"
    return f"{hours} h {minutes % 60} min" if days < 1 else f"{days} d {hours % 24} h"


def size(count: int) -> str:
    """Bytes in the unit that keeps it short: 512 B, 1.5 KiB, 13 GiB."""
    value, unit = float(count), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if value < 999.5:
            break
        value, unit = value / 1024, larger
    return f"{value:.1f} {unit}" if value < 9.95 and unit != "B" else f"{value:.0f} {unit}"


def of(value: float | None, unit: str) -> str:
    """A measured number, or `-` where there is none."""
    return "-" if value is None else f"{value:.0f} {unit}"


def local(when: datetime, zone: tzinfo | None = None) -> datetime:
    """The time in this zone, by default this computer's; as it is where the calendar ends."""
    try:
        return when.astimezone(zone)
    except (OverflowError, ValueError, OSError):
        return when
