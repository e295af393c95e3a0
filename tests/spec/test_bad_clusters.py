"""Every kind of wrong cluster file: one located message. Data: bad-clusters.yaml."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestrator.errors import SpecError
from orchestrator.spec.load import load_cluster

HEAD = "apiVersion: sparkctl/v1\nkind: Cluster\nname: desk\n"
CASES = yaml.safe_load((Path(__file__).parent / "bad-clusters.yaml").read_text(encoding="utf-8"))


def text_of(case: dict[str, Any]) -> str:
    """The file of a case; see the head of bad-clusters.yaml."""
    if "file" in case:
        return str(case["file"]).replace("HEAD", HEAD)
    if "nodes" in case:
        return f"{HEAD}nodes:\n{case['nodes']}"
    return f"{HEAD}nodes:\n- {{name: a}}\n- {{name: b}}\n{case['more']}"


def test_names_of_cases_are_unique() -> None:
    names = [case["name"] for case in CASES]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_the_fault_is_named_with_its_place(case: dict[str, Any], tmp_path: Path) -> None:
    assert set(case) <= {"name", "file", "nodes", "more", "at", "key", "says"}
    file = tmp_path / "cluster.yaml"
    file.write_text(text_of(case), encoding="utf-8")
    with pytest.raises(SpecError) as caught:
        load_cluster(file)
    error = caught.value
    assert (error.code, error.exit_code) == ("E100", 3)
    place = f"{file}:{case['at']}: " if "at" in case else str(file)
    assert error.brief.startswith(place)
    if "key" in case:
        assert f": {case['key']}: " in error.brief
    told = "\n".join([error.brief, error.details or "", error.resolution or ""])
    for words in case["says"]:
        assert str(words) in told


def test_a_password_in_a_target_is_not_repeated(tmp_path: Path) -> None:
    file = tmp_path / "cluster.yaml"
    file.write_text(f"{HEAD}nodes: [{{name: a, ssh: 'nvidia:hunter2@h'}}]\n")
    with pytest.raises(SpecError, match="a password has no place in the cluster file") as caught:
        load_cluster(file)
    error = caught.value
    assert "hunter2" not in "\n".join([error.brief, str(error.details), str(error.resolution)])


def test_all_faults_are_told_at_once_each_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "cluster.yaml"
    file.write_text(f"{HEAD}nodes:\n- {{name: A}}\n- {{name: b, conection: ssh}}\ngpus: 1\n")
    with pytest.raises(SpecError) as caught:
        load_cluster(file)
    assert caught.value.brief.startswith(f"{file}:5: nodes.0.name: ")
    assert str(caught.value.details).splitlines() == [
        f"{file}:6: nodes.1.conection: unknown key; did you mean 'connection'?",
        f"{file}:7: gpus: unknown key; did you mean 'gpu'?",
    ]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="there is no such cluster file") as caught:
        load_cluster(tmp_path / "nowhere.yaml")
    assert "examples/two-sparks.yaml" in str(caught.value.resolution)


def test_a_folder_in_the_place_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="the cluster file cannot be read"):
        load_cluster(tmp_path)


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "cluster.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SpecError, match="the cluster file cannot be read"):
        load_cluster(tmp_path / "cluster.yaml")
