"""known_hosts files, as ssh-keygen writes them and people edit them."""

import subprocess
from pathlib import Path

import pytest

from orchestrator.node.known_hosts import host_name, known_keys, write_down

KEY, OTHER = "AAAAC3NzaC1lZDI1NTE5", "AAAAB3NzaC1yc2E="


def lines_of(text: str, name: str, folder: Path) -> list[tuple[int, str, bool]]:
    file = folder / "known"
    file.write_text(text)
    return [(known.line, known.key, known.revoked) for known in known_keys([file], name)]


def test_a_host_is_written_with_its_port_when_it_is_not_22() -> None:
    assert host_name("Spark-A.local", 22) == "spark-a.local"
    assert host_name("10.0.0.1", 2222) == "[10.0.0.1]:2222"


@pytest.mark.parametrize(
    ("hosts", "speaks"),
    [
        ("spark-a", True),
        ("SPARK-A", True),
        ("other,spark-a", True),
        ("spark-?", True),
        ("spark*", True),
        ("*,!spark-a", False),
        ("spark", False),
        ("[spark-a]:2222", False),
        ("|1|nonsense", False),
        ("|1|a|b|c", False),
    ],
)
def test_the_names_of_a_line(hosts: str, speaks: bool, tmp_path: Path) -> None:
    assert bool(lines_of(f"{hosts} ssh-ed25519 {KEY}\n", "spark-a", tmp_path)) == speaks


def test_brackets_are_no_pattern(tmp_path: Path) -> None:
    text = f"[10.0.0.1]:2222 ssh-ed25519 {KEY} a comment\n"
    assert lines_of(text, "[10.0.0.1]:2222", tmp_path) == [(1, KEY, False)]
    assert lines_of(text, "1:2222", tmp_path) == []


def test_names_that_ssh_keygen_has_hashed(tmp_path: Path) -> None:
    file = tmp_path / "known"
    real = "AAAAC3NzaC1lZDI1NTE5AAAAIE1b0ayqxXAmcYC8MxPtBPF0W8SP1vBNH6Yjvw0EcAdq"
    file.write_text(f"spark-a ssh-ed25519 {real}\n[spark-a]:2222 ssh-ed25519 {real}\n")
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(file)], check=True, capture_output=True)
    assert "spark-a" not in file.read_text()
    assert [known.line for known in known_keys([file], "[spark-a]:2222")] == [2]


def test_lines_that_ssh_passes_over_and_the_two_marks(tmp_path: Path) -> None:
    text = (
        f"\n# spark-a ssh-ed25519 {KEY}\nspark-a ssh-ed25519\nspark-a ssh-ed25519 n%nsense\n"
        f"@cert-authority * ssh-rsa {OTHER}\n@revoked * ssh-rsa {OTHER}\r\n"
        f"spark-a ssh-ed25519 {KEY}"
    )
    assert lines_of(text, "spark-a", tmp_path) == [(6, OTHER, True), (7, KEY, False)]


def test_all_files_are_read_and_one_that_is_not_there_says_nothing(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("one", "none", "two")]
    files[0].write_text(f"spark-a ssh-rsa {OTHER}\n")
    files[2].write_text(f"spark-a ssh-ed25519 {KEY}\n")
    assert [known.file for known in known_keys(files, "spark-a")] == [files[0], files[2]]


def test_a_key_is_written_on_a_line_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / ".ssh" / "known"
    write_down(file, "spark-a", "ssh-ed25519", KEY)
    assert file.parent.stat().st_mode & 0o777 == 0o700
    file.write_text(file.read_text().rstrip("\n"))  # as an editor may leave it
    write_down(file, "spark-b", "ssh-rsa", OTHER)
    assert file.read_text() == f"spark-a ssh-ed25519 {KEY}\nspark-b ssh-rsa {OTHER}\n"
