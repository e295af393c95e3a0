"""Where a machine is, as people type it: `host`, `user@host`, `host:port`, `ssh://user@host:port`."""

import ipaddress
import re

_HOW = "write `user@host:port`, where only the host is needed"


def parse_target(text: str) -> dict[str, object]:
    """The keys of an SSH target. Raises ValueError with a sentence; nothing is left to be guessed.

    The error for a target with a password in it does not repeat it.
    """
    user, at, place = text.strip().removeprefix("ssh://").rpartition("@")
    if ":" in user:
        raise ValueError("a password has no place in the cluster file; write `user@host`")
    host, port = _host_and_port(place)
    if at and not _is_word(user):
        raise ValueError(f"{text!r} has no user before the @; {_HOW}")
    if not _is_word(host):
        raise ValueError(f"{text!r} names no host; {_HOW}")
    target: dict[str, object] = {"host": host}
    if at:
        target["user"] = user
    if port is not None:
        if not re.fullmatch(r"[0-9]{1,5}", port) or not 1 <= int(port) <= 65535:
            raise ValueError(f"{text!r} has no port from 1 to 65535 behind the colon; {_HOW}")
        target["port"] = int(port)
    return target


def ensure_bare_host(text: str) -> None:
    """Raise ValueError when the value of `host:` has a user or port too."""
    target = parse_target(text)
    if target != {"host": text}:
        keys = ", ".join(f"{key}: {value}" for key, value in target.items())
        raise ValueError(f"host {text!r} is more than a host; write ssh: {{{keys}}}")


def _host_and_port(place: str) -> tuple[str, str | None]:
    """An IPv6 address has a port only when it stands in brackets."""
    if place.startswith("["):
        host, _, rest = place[1:].partition("]")
        return (host, rest[1:]) if rest.startswith(":") else (host if not rest else "", None)
    if place.count(":") == 1:
        host, _, port = place.partition(":")
        return host, port
    return place if ":" not in place or _is_ipv6(place) else "", None


def _is_ipv6(text: str) -> bool:
    try:
        return ipaddress.ip_address(text).version == 6
    except ValueError:
        return False


def _is_word(text: str) -> bool:
    """No blank and no control character, and no dash that a command would take for an option."""
    return re.fullmatch(r"(?!-)[^\s/@\x00-\x1f\x7f]+", text) is not None
