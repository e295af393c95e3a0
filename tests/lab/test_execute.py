"""Output of a command on a node, whole also when the reader is late."""

import http.client
import threading
from typing import Any

import pytest

from tests.lab.machine import Machine


def test_what_comes_before_the_reader_is_not_lost(
    machines: dict[str, Machine], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a busy computer: the engine has said everything before its answer is looked at."""
    ready = threading.Event()
    getresponse = http.client.HTTPConnection.getresponse

    def late(connection: http.client.HTTPConnection, *args: Any) -> http.client.HTTPResponse:
        ready.wait(0.3)
        return getresponse(connection, *args)

    monkeypatch.setattr(http.client.HTTPConnection, "getresponse", late)
    code, output = machines["spark-a"].attempt("sh", "-c", "echo first; echo last; exit 3")
    assert (code, output) == (3, "first\nlast\n")
