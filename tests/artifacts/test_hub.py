"""config.json of a model, alone, from a Hub that is public, gated, missing, slow, or odd."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.artifacts.hub import Unread, read_config
from tests.support.hub.repository import Repository
from tests.support.hub.server import Hub

CONFIG = {"model_type": "llama", "hidden_size": 8}


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    """With a model for all, one for members, and one without config.json."""
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text(json.dumps(CONFIG))
    (model / "model.safetensors").write_bytes(b"x" * 1000)
    bare, odd = tmp_path / "bare", tmp_path / "odd"
    bare.mkdir()
    odd.mkdir()
    (bare / "README.md").write_text("hello")
    (odd / "config.json").write_text("[" * 100_000)
    with Hub(
        {
            "org/open": Repository(model),
            "org/gated": Repository(model, gated=True, members=frozenset({"hf_member"})),
            "org/bare": Repository(bare),
            "org/odd": Repository(odd),
        }
    ) as hub:
        yield hub


def read(hub: Hub, model: str, token: str | None = None, revision: str = "main") -> object:
    return read_config(model, revision, token, {"HF_ENDPOINT": hub.url})


@pytest.mark.parametrize("redirects", [False, True])
def test_one_small_file_is_read_and_nothing_else(hub: Hub, redirects: bool) -> None:
    hub.redirects = redirects
    assert read(hub, "org/open") == CONFIG
    assert hub.fetched == ["org/open/config.json"]
    assert {method for method, _ in hub.requests} == {"GET"}


@pytest.mark.parametrize("redirects", [False, True])
def test_who_has_accepted_the_licence_reads_a_gated_model(hub: Hub, redirects: bool) -> None:
    hub.redirects = redirects
    assert read(hub, "org/gated", "hf_member") == CONFIG


def test_the_token_goes_to_no_other_host(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    with Hub(hub.repositories) as other:
        monkeypatch.setattr(
            hub, "answer", lambda *_, **__: _to(f"{other.url}/org/open/resolve/main/config.json")
        )
        assert read(hub, "org/open", "hf_member") == CONFIG
        assert (hub.tokens, other.tokens) == (["hf_member"], [None])


def test_an_answer_leads_to_no_file_of_this_computer(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text("{}")
    for place in (f"file://{tmp_path}/config.json", "ftp://127.0.0.1/config.json"):
        monkeypatch.setattr(hub, "answer", lambda *_, place=place, **__: _to(place))
        with pytest.raises(Unread):
            read(hub, "org/open")


def _to(place: str) -> object:
    from tests.support.hub.server import Answer

    return Answer(302, {"Location": place})


@pytest.mark.parametrize(
    ("model", "revision", "token", "said"),
    [
        ("org/gated", "main", None, "org/gated is gated: accept its licence at http://127.0.0.1:"),
        ("org/gated", "main", None, "log in here: hf auth login"),
        ("org/gated", "main", "hf_other", "org/gated is gated: accept its licence at"),
        ("org/none", "main", None, "there is no model http://127.0.0.1:"),
        ("org/none", "main", "hf_member", "there is no model http://127.0.0.1:"),
        ("org/open", "v9", None, "has no revision v9"),
        ("org/bare", "main", None, "org/bare has no config.json"),
        ("org/odd", "main", None, "org/odd is no JSON"),
    ],
)
def test_what_is_not_read_is_told_in_a_sentence(
    hub: Hub, model: str, revision: str, token: str | None, said: str
) -> None:
    with pytest.raises(Unread) as told:
        read(hub, model, token, revision)
    assert said in str(told.value)
    assert not token or "hf auth login" not in str(told.value)


def test_a_hub_that_does_not_answer_is_waited_for_no_longer_than_the_deadline(hub: Hub) -> None:
    hub.stalls = True
    with pytest.raises(Unread, match=r"cannot be reached: timed out"):
        read_config("org/open", "main", None, {"HF_ENDPOINT": hub.url}, deadline=0.2)


@pytest.mark.parametrize(
    ("environ", "token", "said"),
    [
        ({"HF_HUB_OFFLINE": "1"}, None, "HF_HUB_OFFLINE"),
        ({"HF_ENDPOINT": "file:///etc"}, None, "HF_ENDPOINT here is no address"),
        ({"HF_ENDPOINT": "http://me:s3cret@127.0.0.1:9"}, None, "HF_ENDPOINT here is no address"),
        ({"HF_ENDPOINT": "http://127.0.0.1:9"}, None, "cannot be reached"),
        ({"HF_ENDPOINT": "http://127.0.0.1:9"}, "s3cret\r\nX: y", "token"),
    ],
)
def test_odd_settings_of_this_computer(
    environ: dict[str, str], token: str | None, said: str
) -> None:
    with pytest.raises(Unread) as told:
        read_config("org/open", "main", token, environ)
    assert said in str(told.value)
    assert "s3cret" not in str(told.value)
