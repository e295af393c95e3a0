"""Shell that writes and removes files, run for real in a scratch folder."""

import os
import subprocess
from pathlib import Path

import pytest

from orchestrator.node.files import File, remove_file, write_file
from tests.support.stand_ins import stand_in


def sh(script: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["sh", "-s"], input=script.encode(), capture_output=True, check=False)


def mine(content: bytes, mode: str = "644") -> File:
    return File(content, mode, os.getuid(), os.getgid())


@pytest.mark.parametrize(
    "content", [b"", b"text\n", b"no newline", bytes(range(256)) * 40, b"SPARKCTL_END\n$(x) `y`\n"]
)
def test_the_bytes_arrive(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "it's a file"
    done = sh(write_file(str(path), mine(content)))
    assert done.returncode == 0, done.stderr
    assert path.read_bytes() == content


@pytest.mark.parametrize("mode", ["600", "644", "4755", "0"])
def test_the_mode_arrives(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    path.chmod(0o777)
    assert sh(write_file(str(path), mine(b"new", mode))).returncode == 0
    assert path.stat().st_mode & 0o7777 == int(mode, 8)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives a file away")
def test_the_owner_arrives(tmp_path: Path) -> None:
    path = tmp_path / "file"
    assert sh(write_file(str(path), File(b"new", "600", 12, 34))).returncode == 0
    assert (path.stat().st_uid, path.stat().st_gid) == (12, 34)


def test_nothing_else_is_left_in_the_folder(tmp_path: Path) -> None:
    path = tmp_path / "file"
    sh(write_file(str(path), mine(b"new")))
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_reader_of_the_old_file_keeps_the_old_file(tmp_path: Path) -> None:
    """Replaced, not written into: nobody ever reads a half."""
    path = tmp_path / "file"
    path.write_text("old")
    with path.open() as reader:
        sh(write_file(str(path), mine(b"new")))
        assert reader.read() == "old"
    assert path.read_text() == "new"


def test_when_it_cannot_be_written_the_old_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    full = write_file(str(path), mine(b"new")).replace("base64 -d", "false")
    assert sh(full).returncode != 0
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path], "half a file is left"


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    assert sh(write_file(str(tmp_path / "not" / "there"), mine(b"new"))).returncode != 0


def test_removing_twice_is_the_same_as_once(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    for _ in range(2):
        done = sh(remove_file(str(path)))
        assert (done.returncode, done.stderr) == (0, b"")
        assert not path.exists()


@pytest.fixture
def synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A list of what `sync` was asked for, each with how many files were in the folder then."""
    stand_in(
        tmp_path / "bin", "sync", f'echo "$1 $(ls {tmp_path}/in)" | tr "\\n" " " >>{tmp_path}/list'
    )
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    (tmp_path / "in").mkdir()
    return tmp_path / "list"


def test_the_folder_is_synced_after_the_file_has_its_name(synced: Path) -> None:
    """Without it a power cut may take the name, and with it all that was written down."""
    folder = synced.parent / "in"
    assert sh(write_file(str(folder / "file"), mine(b"new"))).returncode == 0
    first, *_ = synced.read_text().split()
    assert first.startswith(f"{folder}/file.sparkctl.")
    assert synced.read_text().endswith(f"{folder} file ")
    synced.unlink()
    assert sh(remove_file(str(folder / "file"))).returncode == 0
    assert synced.read_text().strip() == str(folder)
