"""The real client of this process speaks to a Hub on loopback, and to no other."""

from functools import partial
from pathlib import Path

import pytest

from tests.support.hub.server import Hub


def speak_to(hub: Hub, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Snapshots come from there into an empty cache, without a token but HF_TOKEN's.

    HF_ENDPOINT and HF_HUB_CACHE would say the same, but are read when the client is imported.
    """
    import huggingface_hub

    there = partial(huggingface_hub.snapshot_download, endpoint=hub.url, cache_dir=cache)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", there)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(cache / "token"))
    monkeypatch.delenv("HF_TOKEN", raising=False)
