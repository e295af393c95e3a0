"""Numbers for people. A loss may be none: a rank writes null for what is not a number."""


def loss(value: float | None) -> str:
    """Four digits, or `not a number`."""
    return "not a number" if value is None else f"{value:.4f}"


def pace(value: float | None) -> str:
    """Tokens per second."""
    return "-" if value is None else f"{value:,.0f}"


def gib(count: int | None) -> str:
    """Bytes as GiB."""
    return "-" if count is None else f"{count / 2**30:.1f} GiB"


def clock(seconds: float) -> str:
    """3:07, or 1:03:07."""
    minutes, rest = divmod(int(max(seconds, 0)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
