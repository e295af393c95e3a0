"""The Hub of the tests is one to huggingface_hub itself: what it says of each answer, and files."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.hub.repository import Repository
from tests.support.hub.server import Hub

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(autouse=True)
def _online(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests run with HF_HUB_OFFLINE; this one speaks to loopback alone."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    folder = tmp_path / "model"
    (folder / "extra").mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"model_type": "llama"}))
    (folder / "extra" / "notes.txt").write_text("notes")
    (folder / "model.safetensors").write_bytes(bytes(range(256)) * 100)
    member = frozenset({"hf_member"})
    with Hub(
        {
            "org/open": Repository(folder),
            "org/gated": Repository(folder, gated=True, members=member),
            "org/private": Repository(folder, private=True, members=member),
            "org/rows": Repository(folder, kind="datasets"),
        }
    ) as hub:
        yield hub


@pytest.mark.parametrize("redirects", [False, True])
@pytest.mark.parametrize(("name", "token"), [("org/open", None), ("org/gated", "hf_member")])
def test_a_snapshot_has_every_file(
    hub: Hub, tmp_path: Path, name: str, token: str | None, redirects: bool
) -> None:
    from huggingface_hub import snapshot_download

    hub.redirects = redirects
    got = Path(
        snapshot_download(name, cache_dir=tmp_path / "hub", endpoint=hub.url, token=token or False)
    )
    source = hub.repositories[name].folder
    for file in hub.repositories[name].files:
        assert (got / file).read_bytes() == (source / file).read_bytes()
    assert got.name == hub.repositories[name].commit
    assert sorted(hub.fetched) == [f"{name}/{file}" for file in hub.repositories[name].files]


def test_sizes_and_the_tree(hub: Hub) -> None:
    from huggingface_hub import HfApi

    api = HfApi(endpoint=hub.url, token=False)
    sizes = {one.path: one.size for one in api.list_repo_tree("org/open", recursive=True)}
    assert sizes["model.safetensors"] == 25600
    assert {one.rfilename for one in api.model_info("org/open").siblings or ()} == set(sizes)
    assert api.dataset_info("org/rows").id == "org/rows"


@pytest.mark.parametrize(
    ("name", "file", "revision", "token", "error"),
    [
        ("org/gated", "config.json", "main", False, "GatedRepoError"),
        ("org/gated", "config.json", "main", "hf_other", "GatedRepoError"),
        ("org/private", "config.json", "main", False, "RepositoryNotFoundError"),
        ("org/none", "config.json", "main", "hf_member", "RepositoryNotFoundError"),
        ("org/rows", "config.json", "main", False, "RepositoryNotFoundError"),
        ("org/open", "none.json", "main", False, "RemoteEntryNotFoundError"),
        ("org/open", "config.json", "v9", False, "RevisionNotFoundError"),
    ],
)
def test_the_client_understands_what_is_refused(
    hub: Hub, tmp_path: Path, name: str, file: str, revision: str, token: str | bool, error: str
) -> None:
    from huggingface_hub import hf_hub_download

    with pytest.raises(Exception) as told:
        hf_hub_download(
            name, file, revision=revision, token=token, endpoint=hub.url, cache_dir=tmp_path / "hub"
        )
    assert type(told.value).__name__ == error


def test_a_download_goes_on_where_it_was(hub: Hub) -> None:
    from urllib.request import Request, urlopen

    request = Request(f"{hub.url}/org/open/resolve/main/model.safetensors")
    request.add_header("Range", "bytes=25590-")
    with urlopen(request) as answer:
        assert (answer.status, answer.read()) == (206, bytes(range(246, 256)))
