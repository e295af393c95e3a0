"""What a Docker Engine has said to all questions at once, taken apart.

The answers in `answers/` are real ones, of Engine 28.5.2 in the lab: a manager with a run, with a
service, a secret, a config and a network of somebody else, and its worker.
"""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.errors import RemoteError
from orchestrator.facts.answers import FACT, questions, taken_apart
from orchestrator.facts.machine import Facts
from orchestrator.facts.probe import parse_facts
from orchestrator.facts.protocol import decode, encode
from orchestrator.facts.strangers import Stranger
from orchestrator.testing.facts import probe_output, stock_spark

FOLDER = Path(__file__).with_name("answers")
MANAGER = (FOLDER / "28.5.2-manager.http").read_bytes()
WORKER = (FOLDER / "28.5.2-worker.http").read_bytes()


def facts(said: bytes) -> Facts:
    """Of a stock Spark whose engine has said this."""
    printed = decode(probe_output(stock_spark()))
    gone = ("networks", "images", "swarm_nodes", "services", "busy", "things")
    rest = {name: value for name, value in printed.items() if name not in gone}
    return parse_facts("spark-a", encode({**rest, FACT: said}))


def test_a_manager_knows_its_swarm() -> None:
    manager = facts(MANAGER)
    assert {"bridge", "docker_gwbridge", "ingress", "theirs"} <= manager.networks
    assert [node["Description"]["Hostname"] for node in manager.swarm_nodes] == [
        "spark-b", "spark-a",
    ]  # fmt: skip
    assert manager.services == ("tiny-0a1b2c_rank0",)
    assert manager.strangers == (
        Stranger("service", "web"),
        Stranger("secret", "their-secret"),
        Stranger("config", "mine"),
        Stranger("network", "theirs"),
    )
    assert manager.busy == frozenset()  # its task was rejected


def test_a_task_at_work_makes_its_node_busy_and_one_of_somebody_else_does_not() -> None:
    assert facts(MANAGER.replace(b'"rejected"', b'"starting"')).busy == {"spark-b"}
    assert facts(MANAGER.replace(b"sparkctl.run", b"another.run2")).busy == frozenset()


def test_a_worker_refuses_all_questions_about_the_swarm() -> None:
    worker = facts(WORKER)
    assert {"bridge", "docker_gwbridge"} <= worker.networks
    assert (worker.swarm_nodes, worker.services, worker.strangers) == ((), (), ())


def test_no_answer_is_no_knowledge() -> None:
    nothing = facts(b"")
    assert (nothing.networks, nothing.images, nothing.swarm_nodes) == (frozenset(), (), ())


def test_one_refusal_leaves_the_other_answers_in_their_places() -> None:
    broken = MANAGER.replace(b"HTTP/1.1 200 OK", b"HTTP/1.1 500 Not OK", 1)
    manager = facts(broken)
    assert manager.networks == frozenset()
    assert manager.services == ("tiny-0a1b2c_rank0",)


@given(st.integers(0, len(MANAGER)))
def test_answers_that_were_cut_off_say_less_and_nothing_else(cut: int) -> None:
    less = taken_apart({FACT: MANAGER[:cut]})
    whole = taken_apart({FACT: MANAGER})
    for name, value in less.items():
        if name != FACT:
            assert set(value.splitlines()) <= set(whole[name].splitlines())


@pytest.mark.parametrize(
    "said",
    [
        b"garbage\r\n\r\n" * 9,
        MANAGER.replace(b'"Name"', b'"Nama"'),
        MANAGER.replace(b"[{", b"{ "),
        MANAGER.replace(b'"Hostname"', b'"hostname"'),
    ],
)
def test_what_no_engine_says_is_an_error_or_nothing(said: bytes) -> None:
    try:
        found = facts(said)
    except RemoteError:
        return
    assert found.services == ()


def said(*answers: object) -> bytes:
    """What an engine says when these are its answers."""
    bodies = [json.dumps(answer).encode() for answer in answers]
    head = "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n"
    return b"".join(head.format(len(body)).encode() + body for body in bodies)


def test_stacks_and_networks_of_somebody_else_are_named() -> None:
    """A label that copies ours makes nothing ours; one of two words is none."""
    shop = {"Name": "shop_web", "Labels": {"com.docker.stack.namespace": "shop"}}
    forged = {"Name": "web", "Labels": {"sparkctl.run": "r"}}
    rank = {"Name": "r_rank0", "Labels": {"sparkctl.run": "r", "com.docker.stack.namespace": "r"}}
    services = [{"ID": name["Name"], "Spec": name} for name in (shop, forged, rank)]
    networks = [
        {"Name": "ingress", "Scope": "swarm"},
        {"Name": "net", "Scope": "swarm", "Labels": None},
        {"Name": "r_net", "Scope": "swarm", "Labels": {"sparkctl.run": "r"}},
        {"Name": "odd", "Scope": "swarm", "Labels": {"sparkctl.run": 'a "b"\nnetwork x -'}},
        {"Name": "bridge", "Scope": "local"},
    ]
    images = [{"RepoTags": ["sparkctl/train:0a", "mine:1"]}, {"RepoTags": None}]
    manager = facts(said(networks, images, [], services, [], [], []))
    assert manager.services == ("r_rank0",)
    assert manager.strangers == (
        Stranger("stack", "shop"),
        Stranger("service", "shop_web"),
        Stranger("service", "web"),
        Stranger("network", "net"),
        Stranger("network", "odd"),
    )
    assert manager.images == ("sparkctl/train:0a",)


def test_a_label_of_two_words_is_none() -> None:
    """Lines are made of it."""
    said = MANAGER.replace(b'"sparkctl.run":"tiny-0a1b2c"', b'"sparkctl.run":"tiny 0a1b2c"')
    assert facts(said).services == ()


def test_the_last_question_ends_the_connection_and_no_other() -> None:
    asked: list[Mapping[str, str]] = [
        dict(line.split(": ", 1) for line in one.split("\\r\\n")[1:] if line)
        for one in questions().split("\\r\\n\\r\\n")[:-1]
    ]
    assert [one.get("Connection") for one in asked] == [None] * (len(asked) - 1) + ["close"]
