"""Files that would cost a great deal: refused at their line, before anybody has paid."""

import os
from pathlib import Path

import pytest

from orchestrator.errors import SpecError
from orchestrator.spec.files import LIMIT
from orchestrator.spec.load import load_cluster, load_stack
from orchestrator.spec.yaml_text import DEPTH
from tests.support.clusters import ROOT

HEAD = "apiVersion: sparkctl/v1\nkind: Cluster\nname: desk\n"


def bomb(levels: int, width: int, *, merge: bool = False) -> str:
    """Each level stands for `width` times the one before."""
    lines = [f"a0: &a0 {{x: {'y' * 9}}}"]
    for level in range(1, levels + 1):
        before = ", ".join([f"*a{level - 1}"] * width)
        value = f"{{<<: [{before}]}}" if merge else f"[{before}]"
        lines.append(f"a{level}: &a{level} {value}")
    return "\n".join(lines) + "\n"


COSTLY = {
    "aliases": (bomb(5, 9), 8, "stands for more than"),
    "more aliases": (bomb(9, 9), 8, "stands for more than"),
    "merge keys": (bomb(5, 9, merge=True), 8, "stands for more than"),
    "two of each": (bomb(30, 2), 17, "stands for more than"),
    "a long text": (f"a: &a {'x' * 2**19}\nb: [{', '.join(['*a'] * 20)}]\n", None, "MiB"),
    "an alias of itself": ("nodes: &n [*n]\n", 4, "an alias of what it is in"),
    "an alias of what is above": ("nodes: &n {a: [{b: *n}]}\n", 4, "an alias of what it is in"),
    "deep lists": ("nodes: " + "[" * 5000 + "]" * 5000 + "\n", 4, f"deeper than {DEPTH}"),
    "deep mappings": ("nodes: " + "{a: " * 5000 + "}" * 5000 + "\n", 4, f"deeper than {DEPTH}"),
    "deep dashes": ("nodes:\n" + "- " * 5000 + "a\n", 5, f"deeper than {DEPTH}"),
    "a number without end": (f"nodes: {'9' * 500_000}\n", 4, "too long"),
    "a hexadecimal one": (f"nodes: 0x{'f' * 500_000}\n", 4, "too long"),
    "a base of sixty": (f"nodes: 1{':1' * 200_000}\n", 4, "too long"),
    "a float": (f"nodes: 1.{'9' * 500_000}\n", 4, "too long"),
    "a number for no machine": (f"nodes: {2**63}\n", 4, "too large"),
    "a date that there is not": ("nodes: 2024-13-45\n", 4, "month"),
    "a null character": ("nodes:\n- name: a\0b\n", 5, "not valid YAML"),
    "an escaped one": ('nodes:\n- name: "a\\0b"\n', 5, "no text has"),
    "half of a pair": ('nodes:\n- name: "\\ud800"\n', 5, "no text has"),
    "a control character": ("nodes:\n\n- name: \x1b[2J\n", 6, "not valid YAML"),
}


@pytest.mark.parametrize("text, line, says", COSTLY.values(), ids=COSTLY)
def test_it_is_refused_at_its_line(text: str, line: int | None, says: str, tmp_path: Path) -> None:
    file = tmp_path / "cluster.yaml"
    file.write_text(HEAD + text)
    with pytest.raises(SpecError) as caught:
        load_cluster(file)
    assert caught.value.brief.startswith(f"{file}:{line}: " if line else f"{file}:")
    assert says in caught.value.brief
    assert len(caught.value.brief) + len(caught.value.details or "") < 2000


@pytest.mark.parametrize("value", [bomb(9, 9).replace("\n", ", ").join("{}"), "[" * 5000])
def test_a_setting_may_not_either(value: str) -> None:
    with pytest.raises(SpecError) as caught:
        load_stack("tiny-llama-lora", (f"training={value}",))
    assert caught.value.brief.startswith("--set training=")


def test_a_setting_that_is_no_text() -> None:
    with pytest.raises(SpecError, match="not text in UTF-8"):
        load_stack("tiny-llama-lora", ("description=\udcff",))


@pytest.mark.parametrize("value", ["nan", "inf", ".nan", ".inf", "1e999"])
def test_a_number_is_finite(value: str) -> None:
    with pytest.raises(SpecError, match=r"finite number|a number is expected"):
        load_stack("tiny-llama-lora", (f"training.optim.lr={value}",))


def test_a_file_beyond_all_bounds(tmp_path: Path) -> None:
    (tmp_path / "cluster.yaml").write_text(HEAD + "#" * LIMIT)
    with pytest.raises(SpecError, match="cannot be read") as caught:
        load_cluster(tmp_path / "cluster.yaml")
    assert "larger than 1 MiB" in str(caught.value.details)


def test_a_file_without_an_end(tmp_path: Path) -> None:
    (tmp_path / "cluster.yaml").symlink_to("/dev/zero")
    with pytest.raises(SpecError, match="cannot be read") as caught:
        load_cluster(tmp_path / "cluster.yaml")
    assert "not a regular file" in str(caught.value.details)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "cluster.yaml")
    with pytest.raises(SpecError, match="cannot be read") as caught:
        load_cluster(tmp_path / "cluster.yaml")
    assert "not a regular file" in str(caught.value.details)


def test_a_name_that_no_file_can_have() -> None:
    with pytest.raises(SpecError, match="cannot be read"):
        load_cluster(Path("a\0b"))


def test_a_line_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "cluster.yaml").write_bytes(HEAD.encode() + b"nodes: [{name: a}] # \xff\n")
    with pytest.raises(SpecError, match="cannot be read") as caught:
        load_cluster(tmp_path / "cluster.yaml")
    assert "line 4 is not text" in str(caught.value.details)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-8"])
def test_windows_writes_a_mark_first(encoding: str, tmp_path: Path) -> None:
    """Notepad's, and PowerShell's `>`; YAML allows both."""
    file = tmp_path / "cluster.yaml"
    file.write_bytes((ROOT / "examples" / "two-sparks.yaml").read_text().encode(encoding))
    assert load_cluster(file).name
    file.write_bytes("name: x".encode("utf-16") + b"\0")
    with pytest.raises(SpecError, match="cannot be read") as refused:
        load_cluster(file)
    assert "not text in UTF-16" in str(refused.value.details)


def test_what_people_write_is_far_below(tmp_path: Path) -> None:
    nodes = "".join(f"- &n{n} {{name: n{n}, ssh: &s{n} {{host: h{n}}}}}\n" for n in range(64))
    (tmp_path / "cluster.yaml").write_text(f"{HEAD}nodes:\n{nodes}")
    assert len(load_cluster(tmp_path / "cluster.yaml").nodes) == 64
