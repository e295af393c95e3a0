"""Tests with OpenSSH on this computer, and as if it were not there."""

import shutil

import pytest

SSH = pytest.mark.skipif(shutil.which("ssh") is None, reason="OpenSSH is not installed here")


def without_openssh(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on the parser serves."""
    monkeypatch.setattr("orchestrator.node.ssh_config.reader.shutil.which", lambda name: None)
