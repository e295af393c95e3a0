"""The shell that makes and removes folders, run for real in a scratch folder.

`connection: local` as whoever runs the tests; where that is not root, a stand-in `sudo` runs the
command as the same user, so that the script itself is what is tested.
"""

import os
import shlex
import tempfile
from pathlib import Path

import pytest

from orchestrator.errors import RemoteError
from orchestrator.facts.folders import Folder, NoFolder
from orchestrator.facts.machine import Facts
from orchestrator.node.connection import Completed
from orchestrator.node.local import LocalConnection
from orchestrator.node.node import Node
from orchestrator.resources.base import Change, State
from orchestrator.resources.directory import ALL, Directory
from orchestrator.templates import render_template
from orchestrator.testing.facts import stock_spark
from tests.support.stand_ins import stand_in


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Node:
    if os.geteuid() != 0:
        stand_in(tmp_path / "bin", "sudo", 'while [ "$1" != -- ]; do shift; done; shift; exec "$@"')
        monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.delenv("SUDO_USER", raising=False)
    return Node("here", LocalConnection())


class OtherTable(LocalConnection):
    """This computer, but for what is mounted: that is what the file says."""

    def __init__(self, table: Path) -> None:
        super().__init__()
        self.table = table

    def run(self, command: str, stdin: bytes, *, deadline: float) -> Completed:
        assert b"/proc/self/mountinfo" in stdin
        theirs = shlex.quote(str(self.table)).encode()
        return super().run(
            command, stdin.replace(b"/proc/self/mountinfo", theirs), deadline=deadline
        )


def apply(
    node: Node, path: Path, after: State, *, disposable: bool = False, before: State | None = None
) -> None:
    resource = Directory("here", str(path), disposable, made=ALL)
    change = Change("here", resource.name, "create", "", 1, before, after)
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


def test_what_was_made_on_the_way_goes_though_the_folder_never_was(
    node: Node, tmp_path: Path
) -> None:
    """The power went in the middle of the making."""
    (tmp_path / "a").mkdir()
    before = absent(tmp_path / "a")
    apply(node, tmp_path / "a" / "b" / "c", absent(tmp_path), before=before)
    assert list(tmp_path.glob("a*")) == []


def test_nothing_goes_that_is_not_below_what_was_there(node: Node, tmp_path: Path) -> None:
    (tmp_path / "not ours").mkdir()
    apply(node, tmp_path / "not ours" / "b" / "c", absent(tmp_path / "not"))
    assert (tmp_path / "not ours").is_dir()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes folders for others")
def test_no_folder_belongs_to_root_for_a_moment(
    node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the login user may make it: a fault between two commands would leave it so."""
    stand_in(tmp_path / "bin", "chown", "exit 1")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("SUDO_USER", "nobody")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        apply(node, Path(folder) / "a" / "b", HERE)
        assert (Path(folder) / "a" / "b").owner() == "nobody"
        assert (Path(folder) / "a").stat().st_mode & 0o777 == 0o755


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


def test_a_folder_that_is_another_now_is_not_touched(node: Node, tmp_path: Path) -> None:
    """A link in the place of what was made, at its end or on the way to it."""
    theirs = tmp_path / "theirs"
    (theirs / "b").mkdir(parents=True)
    (theirs / "b" / "file").touch()
    (tmp_path / "a").symlink_to(theirs)
    for path in (tmp_path / "a", tmp_path / "a" / "b"):
        with pytest.raises(RemoteError) as caught:
            apply(node, path, absent(tmp_path), disposable=True)
        assert str(theirs) in str(caught.value.details)
    assert (theirs / "b" / "file").exists()


def test_a_link_above_what_was_made_is_how_it_was_found(node: Node, tmp_path: Path) -> None:
    """A home may be a link: what was there before us is as it is."""
    (tmp_path / "disk").mkdir()
    home = tmp_path / "home"
    home.symlink_to(tmp_path / "disk")
    apply(node, home / "a" / "b", HERE)
    apply(node, home / "a" / "b", absent(home), disposable=True)
    assert list((tmp_path / "disk").iterdir()) == []


def test_a_link_in_what_goes_is_not_followed(node: Node, tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "file").touch()
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "link").symlink_to(tmp_path / "theirs")
    apply(node, tmp_path / "a", absent(tmp_path), disposable=True)
    assert not (tmp_path / "a").exists()
    assert (tmp_path / "theirs" / "file").exists()


@pytest.mark.parametrize("where", ["a b", "a b/c", "a b/c/d\\d"])
def test_where_something_is_mounted_it_is_named_and_nothing_goes(
    node: Node, tmp_path: Path, where: str
) -> None:
    """Above, at or in the folder; the mount table is a file here, as the kernel writes it."""
    path = tmp_path / "a b" / "c"
    path.mkdir(parents=True)
    (tmp_path / where).mkdir(parents=True, exist_ok=True)
    (path / "file").touch()
    kernel_s = str(tmp_path / where).replace("\\", "\\134").replace(" ", "\\040")
    table = tmp_path / "mountinfo"
    table.write_text(f"36 1 8:1 / / rw - ext4 x rw\n37 36 8:1 /data {kernel_s} rw - ext4 x rw\n")
    node.connection = OtherTable(table)
    with pytest.raises(RemoteError) as caught:
        apply(node, path, absent(tmp_path), disposable=True)
    assert f"something is mounted in {path}, or above it: {kernel_s}" in str(caught.value.details)
    assert (path / "file").exists()
    above = table.read_text().replace(kernel_s, str(tmp_path))  # what was there before us
    table.write_text(above)
    beside = str(path).replace(" ", "\\040") + "-beside"
    table.write_text(f"{above}38 36 8:1 /data {beside} rw - ext4 x rw\n")
    apply(node, path, absent(tmp_path), disposable=True)
    assert not path.exists()


def test_of_the_whole_cache_goes_only_what_the_first_containers_made(
    node: Node, tmp_path: Path
) -> None:
    """Their records say nothing of `made`, and they saw what the user had put beside."""
    path, tiny = tmp_path / "cache", "tiny-llama-0123456789abcdef"
    for name in ("home", tiny, "theirs"):
        (path / name).mkdir(parents=True)
        (path / name / "file").touch()
    cache = Directory("a", str(path), disposable=True)
    for beside, after in ((["theirs"], HERE), ([], absent(tmp_path))):
        folder = Folder("755", 0, 0, tuple(sorted([*beside, "home", tiny])))
        world = {"a": stock_spark("a", folders={str(path): folder})}
        seen = cache.observe(world)
        assert seen == {"present": True, "made": ["home", tiny]}
        assert cache.reverted(world, absent(tmp_path), HERE) == after
        change = Change("a", cache.name, "update", "", 1, seen, after)
        cache.apply({"a": node}, change)
        left = [p.name for p in path.iterdir()] if path.exists() else []
        assert left == beside
        if beside:
            (path / "theirs" / "file").unlink()
            (path / "theirs").rmdir()
            for name in ("home", tiny):
                (path / name).mkdir()


def test_a_name_of_theirs_that_is_like_one_of_ours_stays() -> None:
    folder = Folder("755", 0, 0, ("home", "home-made", "tiny-llama-notes"), more=True)
    cache = Directory("a", "~/x", disposable=True)
    world = spark_with(folder)
    assert cache.observe(world) == {"present": True, "made": ["home"]}
    assert cache.reverted(world, ABSENT, HERE) == HERE
    assert cache.why_kept(world, ABSENT).endswith("home-made, tiny-llama-notes, much else")


def test_only_a_folder_that_goes_makes_room_in_the_one_above() -> None:
    cache = Directory("a", "~/x/cache", disposable=True)
    above = Folder("755", 0, 0, ("cache", "theirs"))
    world = {"a": stock_spark("a", folders={"~/x": above})}
    for after, left in ((ABSENT, ("theirs",)), (HERE, ("cache", "theirs"))):
        change = Change("a", cache.name, "update", "", 1, HERE, after)
        seen = cache.foreseen(world, change)["a"].folders["~/x"]
        assert isinstance(seen, Folder)
        assert seen.entries == left


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
    said = node.script(render_template("directory/path.sh.j2", path="~/x") + 'printf "%s" "$path"')
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
    assert asked[0] == "mkdir -- /sparkctl-is-not-there"


def spark_with(folder: Folder | NoFolder) -> dict[str, Facts]:
    return {"a": stock_spark("a", folders={"~/x": folder})}


FULL = Folder("755", 1000, 1000, ("theirs",))
EMPTY = Folder("755", 1000, 1000)
ABSENT: State = {"present": False, "nearest": "/home/nvidia"}


@pytest.mark.parametrize(
    ("folder", "disposable", "expected"),
    [(EMPTY, False, ABSENT), (FULL, True, ABSENT), (FULL, False, HERE)],
    ids=["empty", "full, disposable", "full"],
)
def test_only_what_is_worth_nothing_is_taken_back(
    folder: Folder, disposable: bool, expected: State
) -> None:
    resource = Directory("a", "~/x", disposable, made=ALL)
    assert resource.reverted(spark_with(folder), ABSENT, HERE) == expected


def test_a_folder_that_was_there_before_is_never_removed() -> None:
    resource = Directory("a", "~/x", disposable=True, made=ALL)
    assert resource.reverted(spark_with(EMPTY), HERE, HERE) == HERE
