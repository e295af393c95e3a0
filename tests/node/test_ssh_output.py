"""What a machine prints is as much as memory should hold, or an error."""

import time
from typing import Any

import pytest

from orchestrator.errors import RemoteError
from orchestrator.node import ssh


class Channel:
    """Prints so many bytes."""

    def __init__(self, size: int) -> None:
        self.left = size
        self.timeouts: list[float] = []

    def settimeout(self, seconds: float) -> None:
        self.timeouts.append(seconds)

    def recv(self, size: int) -> bytes:
        part = min(size, self.left)
        self.left -= part
        return bytes(part)


def drained(size: int) -> bytes:
    channel: Any = Channel(size)
    return ssh._drain("spark-a", channel, time.monotonic() + 60, channel.recv)


def test_a_machine_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssh, "_MOST", 2**20)
    assert len(drained(2**20)) == 2**20
    with pytest.raises(RemoteError, match="spark-a printed more than 1 MiB") as caught:
        drained(2**20 + 1)
    assert caught.value.node == "spark-a"
