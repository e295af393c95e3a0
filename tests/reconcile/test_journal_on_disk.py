"""Records are written and forgotten by real shell in a scratch folder."""

import json
import os
from pathlib import Path

import pytest

from orchestrator.errors import ChangeError
from orchestrator.node.local import LocalConnection
from orchestrator.node.node import Node
from orchestrator.reconcile.journal import Record, forget, write
from orchestrator.resources.docker_group import DockerGroup

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="records belong to root")

RECORD = Record(
    "0001-docker-group.json", "desk", DockerGroup("here", "me"), {"member": False}, {"member": True}
)


@pytest.fixture
def node() -> Node:
    return Node("here", LocalConnection())


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "var lib" / "sparkctl"


def test_a_record_is_private_and_whole(node: Node, state: Path) -> None:
    write(node, str(state), RECORD)
    file = state / "journal" / RECORD.file
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    document = json.loads(file.read_text())
    assert document["resource"] == "DockerGroup"
    assert document["original"] == {"member": False}
    assert document["written"] == {"member": True}
    assert [p.name for p in file.parent.iterdir()] == [RECORD.file]


def test_with_the_last_record_the_folders_go(node: Node, state: Path) -> None:
    write(node, str(state), RECORD)
    forget(node, str(state), [RECORD.file])
    assert not state.exists()


def test_other_records_stay(node: Node, state: Path) -> None:
    write(node, str(state), RECORD)
    (state / "journal" / "0002-other.json").write_text("{}")
    forget(node, str(state), [RECORD.file])
    assert [p.name for p in (state / "journal").iterdir()] == ["0002-other.json"]


def test_forgetting_what_is_gone_is_no_fault(node: Node, state: Path) -> None:
    forget(node, str(state), [RECORD.file])


def test_half_a_record_of_a_power_cut_goes_with_the_rest(node: Node, state: Path) -> None:
    write(node, str(state), RECORD)
    whole = state / "journal" / RECORD.file
    whole.rename(whole.with_suffix(".json.sparkctl.aBcDeF"))
    forget(node, str(state), [])
    assert not state.exists()


def test_a_full_disk_is_named_and_leaves_no_half_record(
    node: Node, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = state.parent / "bin"
    full.mkdir(parents=True)
    (full / "base64").write_text(
        "#!/bin/sh\nhead -c 10\necho 'No space left on device' >&2; exit 1\n"
    )
    (full / "base64").chmod(0o755)
    monkeypatch.setenv("PATH", f"{full}:{os.environ['PATH']}")
    with pytest.raises(ChangeError, match="docker-group on here was left as it is") as error:
        write(node, str(state), RECORD)
    assert "No space left on device" in str(error.value.details)
    assert "Make room on the disk" in str(error.value.resolution)
    assert not state.exists()


def test_unfinished_copies_of_records_do_not_keep_the_folders(node: Node, state: Path) -> None:
    write(node, str(state), RECORD)
    (state / "journal" / "0002-other.json.sparkctl.aB3xY9").write_text("{")
    forget(node, str(state), [RECORD.file])
    assert not state.exists()


def test_a_first_record_that_cannot_be_written_leaves_nothing(node: Node, state: Path) -> None:
    nameless = Record("no/folder.json", RECORD.cluster, RECORD.resource, None, {})
    with pytest.raises(ChangeError):
        write(node, str(state), nameless)
    assert not state.exists()
