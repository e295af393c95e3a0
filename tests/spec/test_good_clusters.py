"""What a cluster file may say, and what becomes of it."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.errors import SpecError
from orchestrator.spec.addresses import is_link_local
from orchestrator.spec.cluster import ClusterSpec
from orchestrator.spec.load import load_cluster
from orchestrator.spec.parse import parse_document
from orchestrator.spec.validate import validate
from tests.support.clusters import EXAMPLE, cluster
from tests.support.strategies import values

HEAD = "apiVersion: sparkctl/v1\nkind: Cluster\nname: desk\n"


def test_the_example_is_valid() -> None:
    spec = load_cluster(EXAMPLE)
    assert [node.name for node in spec.nodes] == ["spark-a", "spark-b"]
    assert spec.manager.target.host == "spark-a.local"
    assert [node.name for node in spec.workers] == ["spark-b"]


def test_every_line_that_the_example_has_commented_out_is_valid_too() -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    lines = [line.removeprefix("# ") for line in text.splitlines()]
    settings = [line for line in lines if line.startswith(("fabric:", "ssh:", "sudo:"))]
    assert len(settings) == 3
    validate(ClusterSpec, parse_document("\n".join([text, *settings]), source="example"))


def test_a_node_is_reached_under_its_name_or_alias_or_target() -> None:
    spec = cluster(
        {"nodes": ["a", {"name": "b", "ssh": "alias"}, {"name": "c", "ssh": {"host": "h"}}]}
    )
    assert [node.target.host for node in spec.nodes] == ["a", "alias", "h"]


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("nvidia@192.168.1.20", ("nvidia", "192.168.1.20", None)),
        ("192.168.1.21:2222", (None, "192.168.1.21", 2222)),
        ("ssh://nvidia@spark-a.local:2222", ("nvidia", "spark-a.local", 2222)),
        ("fe80::4abb:47ff:fe2c:1%enP7s7", (None, "fe80::4abb:47ff:fe2c:1%enP7s7", None)),
        ("nvidia@[fd00::1]:22", ("nvidia", "fd00::1", 22)),
        ("[fd00::1]", (None, "fd00::1", None)),
        ("spark_a", (None, "spark_a", None)),
    ],
)
def test_a_target_is_understood_as_people_type_it(
    text: str, target: tuple[str | None, str, int | None]
) -> None:
    (node,) = cluster({"nodes": [{"name": "a", "ssh": text}]}).nodes
    assert (node.target.user, node.target.host, node.target.port) == target


def test_a_node_may_be_its_name_alone(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(f"{HEAD}nodes: [spark-a, {{name: spark-b, ssh: b}}]\n")
    spec = load_cluster(tmp_path / "c.yaml")
    assert [(n.name, n.target.host) for n in spec.nodes] == [
        ("spark-a", "spark-a"),
        ("spark-b", "b"),
    ]


def test_a_node_may_be_what_leads_to_it(tmp_path: Path) -> None:
    texts = "[spark-a.local, nvidia@Spark_B.local, 'host:2222', 'ssh://me@d']"
    (tmp_path / "c.yaml").write_text(f"{HEAD}nodes: {texts}\n")
    nodes = load_cluster(tmp_path / "c.yaml").nodes
    assert [node.name for node in nodes] == ["spark-a", "spark-b", "host", "d"]
    assert [node.target.host for node in nodes] == ["spark-a.local", "Spark_B.local", "host", "d"]
    assert [node.target.user for node in nodes] == [None, "nvidia", None, "me"]


@pytest.mark.parametrize(
    "number", ["1", "1.10", "010", "1_000", "0x1F", "-0", "1e3", "12:30", "1."]
)
def test_a_number_in_env_is_the_text_that_was_written(number: str, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(f"{HEAD}nodes: [a]\ncontainer: {{env: {{A: {number}}}}}\n")
    assert load_cluster(tmp_path / "c.yaml").container.env == {"A": number}


def test_files_are_relative_to_the_cluster_file(tmp_path: Path) -> None:
    (tmp_path / "cluster.yaml").write_text(
        HEAD + "nodes: [{name: a, ssh: {host: h, key: keys/id}}]\n"
        "ssh: {known_hosts: known}\nsudo: {password_file: /etc/pw}\n"
    )
    spec = load_cluster(tmp_path / "cluster.yaml")
    assert spec.nodes[0].target.key == str(tmp_path / "keys" / "id")
    assert spec.ssh.known_hosts == str(tmp_path / "known")
    assert spec.sudo.password_file == "/etc/pw"


def test_the_home_in_a_file_name_is_that_of_this_computer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "c.yaml").write_text(HEAD + "nodes: [{name: a}]\nsudo: {password_file: ~/pw}\n")
    assert load_cluster(tmp_path / "c.yaml").sudo.password_file == str(tmp_path / "pw")


def test_an_anchor_is_fine(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(
        HEAD
        + "nodes:\n- {name: a, ssh: &s {host: h, user: me}}\n- {name: b, ssh: {<<: *s, port: 2}}\n"
    )
    assert load_cluster(tmp_path / "c.yaml").nodes[1].target.user == "me"


def test_a_path_is_written_in_one_way_only() -> None:
    """Folders are compared and journaled by name, and made by shell: no trailing slash."""
    assert cluster({"paths": {"runs": "~/a//b/./c/"}}).paths.runs == "~/a/b/c"


@pytest.mark.parametrize(
    ("address", "expected"),
    [("169.254.1.1", True), ("fe80::1", True), ("192.168.0.1", False), ("fd00::1", False)],
)
def test_link_local(address: str, expected: bool) -> None:
    assert is_link_local(address) is expected


Path_ = tuple[Any, ...]


def places(value: Any, at: Path_ = ()) -> list[Path_]:
    """Every place in a document."""
    if isinstance(value, dict):
        below = [p for key, item in value.items() for p in places(item, (*at, key))]
    elif isinstance(value, list):
        below = [p for index, item in enumerate(value) for p in places(item, (*at, index))]
    else:
        below = []
    return [at, *below]


@st.composite
def mutants(draw: st.DrawFn) -> Any:
    """The example with up to four things deleted, replaced or put in."""
    document = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))
    document |= {"fabric": {"interface": "x"}, "container": {"shm": "1GiB", "env": {"A": "b"}}}
    document |= {"paths": {"runs": "~/r"}, "gpu": {"kind": "K"}, "ssh": {}, "sudo": {}}
    odd = values | st.sampled_from(["", "~", "/", "1e400GiB", "16GiB", "::1", "10.0.0.0/33", -1])
    for _ in range(draw(st.integers(1, 4))):
        document = copy.deepcopy(document)
        path = draw(st.sampled_from(places(document)[1:] or [()]))
        if not path:
            break
        at = document
        for key in path[:-1]:
            at = at[key]
        match draw(st.sampled_from(["delete", "replace", "insert"])):
            case "delete":
                del at[path[-1]]
            case "replace":
                at[path[-1]] = draw(odd)
            case "insert" if isinstance(at, dict):
                at[draw(st.text(max_size=5))] = draw(odd)
            case _:
                at.insert(0, draw(odd))
    return document


@given(mutants())
def test_a_mutant_is_a_spec_or_a_located_message(document: Any) -> None:
    text = yaml.safe_dump(document, allow_unicode=True, sort_keys=False)
    try:
        validate(ClusterSpec, parse_document(text, source="cluster.yaml"))
    except SpecError as error:
        assert error.brief.startswith("cluster.yaml")


@given(st.text(max_size=40))
def test_any_text_is_a_spec_or_a_located_message(text: str) -> None:
    for source in (text, f"{HEAD}nodes: {text}\n"):
        try:
            validate(ClusterSpec, parse_document(source, source="cluster.yaml"))
        except SpecError as error:
            assert error.brief.startswith("cluster.yaml")
