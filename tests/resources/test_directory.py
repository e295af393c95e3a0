"""The shell that makes and removes folders, run for real in a scratch folder.

`connection: local` as whoever runs the tests; where that is not root, a stand-in `sudo` runs the
command as the same user, so that the script itself is what is tested.
"""

import os
from pathlib import Path

import pytest

from orchestrator.errors import RemoteError
from orchestrator.node.facts import Facts, Folder, NoFolder
from orchestrator.node.local import LocalConnection
from orchestrator.node.node import Node
from orchestrator.resources.base import Change, State
from orchestrator.resources.directory import Directory
from orchestrator.testing.facts import stock_spark
from tests.support.stand_ins import stand_in


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Node:
    if os.geteuid() != 0:
        stand_in(tmp_path / "bin", "sudo", 'while [ "$1" != -- ]; do shift; done; shift; exec "$@"')
        monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.delenv("SUDO_USER", raising=False)
    return Node("here", LocalConnection())


def apply(node: Node, path: Path, after: State, *, disposable: bool = False) -> None:
    resource = Directory("here", str(path), disposable)
    change = Change("here", resource.name, "create", "", 1, None, after)
    resource.apply({"here": node}, change)


def absent(nearest: Path) -> State:
    return {"present": False, "nearest": str(nearest)}


HERE: State = {"present": True}


def test_a_folder_is_made_with_all_its_parents(node: Node, tmp_path: Path) -> None:
    apply(node, tmp_path / "a" / "b c" / "d'e", HERE)
    made = tmp_path / "a" / "b c" / "d'e"
    assert made.is_dir()
    assert made.owner() == Path(tmp_path).owner()


def test_making_it_again_changes_nothing(node: Node, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir(mode=0o711)
    apply(node, tmp_path / "a", HERE)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o711


def test_removing_climbs_to_what_was_there_before(node: Node, tmp_path: Path) -> None:
    apply(node, tmp_path / "a" / "b" / "c", HERE)
    apply(node, tmp_path / "a" / "b" / "c", absent(tmp_path))
    assert list(tmp_path.glob("a*")) == []
    assert tmp_path.is_dir()


def test_climbing_stops_at_what_somebody_else_uses(node: Node, tmp_path: Path) -> None:
    apply(node, tmp_path / "a" / "b" / "c", HERE)
    (tmp_path / "a" / "theirs").touch()
    apply(node, tmp_path / "a" / "b" / "c", absent(tmp_path))
    assert [p.name for p in (tmp_path / "a").iterdir()] == ["theirs"]


def test_climbing_stops_where_the_folder_was_not_ours(node: Node, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    apply(node, tmp_path / "a" / "b", HERE)
    apply(node, tmp_path / "a" / "b", absent(tmp_path / "a"))
    assert (tmp_path / "a").is_dir()


def test_contents_go_only_with_a_disposable_folder(node: Node, tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.mkdir()
    (path / "adapter").touch()
    with pytest.raises(RemoteError):
        apply(node, path, absent(tmp_path))
    assert (path / "adapter").exists()
    apply(node, path, absent(tmp_path), disposable=True)
    assert not path.exists()


@pytest.mark.parametrize("disposable", [True, False])
def test_a_folder_that_somebody_has_removed_is_no_fault(
    node: Node, tmp_path: Path, disposable: bool
) -> None:
    """And its parent, which we made, still goes."""
    (tmp_path / "above").mkdir()
    apply(node, tmp_path / "above" / "runs", absent(tmp_path), disposable=disposable)
    assert not (tmp_path / "above").exists()


def test_the_home_is_that_of_the_login_user(node: Node, tmp_path: Path) -> None:
    """`~` is looked up where the script runs; here only its resolution is run, nothing is made."""
    resource = Directory("here", "~/x", disposable=False)
    said = node.script(f'{resource._resolved}\nprintf "%s" "$path"')
    assert said.endswith("/x")
    assert said.startswith("/")


def test_a_folder_right_below_the_root_is_made(
    node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`mkdir` and `chown` only write down what they were asked: `/` is not touched."""
    for name in ("mkdir", "chown"):
        stand_in(tmp_path / "bin", name, f'echo "{name} $*" >>{tmp_path}/asked')
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    apply(node, Path("/sparkctl-is-not-there"), HERE)
    asked = (tmp_path / "asked").read_text().splitlines()
    assert asked[0] == "mkdir /sparkctl-is-not-there"
    assert len(asked) == 2


def spark_with(folder: Folder | NoFolder) -> dict[str, Facts]:
    return {"a": stock_spark("a", folders={"~/x": folder})}


FULL = Folder("755", 1000, 1000, empty=False)
EMPTY = Folder("755", 1000, 1000, empty=True)
ABSENT: State = {"present": False, "nearest": "/home/nvidia"}


@pytest.mark.parametrize(
    ("folder", "disposable", "expected"),
    [(EMPTY, False, ABSENT), (FULL, True, ABSENT), (FULL, False, HERE)],
    ids=["empty", "full, disposable", "full"],
)
def test_only_what_is_worth_nothing_is_taken_back(
    folder: Folder, disposable: bool, expected: State
) -> None:
    resource = Directory("a", "~/x", disposable)
    assert resource.reverted(spark_with(folder), ABSENT, HERE) == expected


def test_a_folder_that_was_there_before_is_never_removed() -> None:
    resource = Directory("a", "~/x", disposable=True)
    assert resource.reverted(spark_with(EMPTY), HERE, HERE) == HERE
