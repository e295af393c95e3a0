"""From what the probe printed to facts, whatever is on the machine; and never from garbage."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.errors import RemoteError
from orchestrator.facts.engine import docker_info
from orchestrator.facts.folders import Folder, NoFolder
from orchestrator.facts.gpu import Gauges, Gpu, parse_gpus
from orchestrator.facts.journal import Unreadable
from orchestrator.facts.machine import Facts
from orchestrator.facts.network import Address
from orchestrator.facts.probe import parse_facts
from orchestrator.facts.protocol import decode, encode
from orchestrator.facts.strangers import Stranger
from orchestrator.node.files import File
from orchestrator.testing.facts import probe_output, stock_spark
from tests.support.strategies import values, words

lines = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=12)
names = st.lists(lines, max_size=3, unique=True).map(tuple)
files = st.none() | st.builds(
    File, st.binary(max_size=40), st.sampled_from(["644", "600"]), st.just(0), st.integers(0, 9)
)
folders = st.builds(NoFolder, st.just("/home")) | st.builds(
    Folder,
    st.just("755"),
    st.just(1000),
    st.just(1000),
    entries=st.lists(lines, max_size=3).map(lambda names: tuple(sorted(names))),
    links=names,
    mounts=names,
    above=names,
    size=st.none() | st.integers(0, 9).map(lambda kib: kib * 1024),
)
fates = st.sampled_from(["back", "stopped", "gone"])
strangers = st.lists(
    st.builds(Stranger, st.just("container"), words, fates)
    | st.builds(Stranger, st.just("task"), words)
)
addresses = st.builds(
    Address, words, st.ip_addresses(v=4).map(str), st.integers(0, 32), st.booleans()
)  # fmt: skip
quarters = st.none() | st.integers(0, 400).map(lambda number: number / 4)
gauges = st.builds(
    Gauges,
    quarters,
    quarters,
    quarters,
    st.none() | st.integers(0, 2**17).map(lambda mib: mib << 20),
)
gpus = st.builds(lambda word, now: Gpu(f"GPU-{word}", word, word, now), words, gauges)


MARK = encode({})


def told(values: Mapping[str, str | bytes]) -> bytes:
    """What a stock Spark prints, but for these."""
    return encode({**decode(probe_output(stock_spark())), **values})


@st.composite
def any_facts(draw: st.DrawFn) -> Facts:
    changes: dict[str, Any] = {
        "user": draw(words),
        "uid": draw(st.integers(0, 65535)),
        "groups": draw(st.frozensets(words, max_size=3)),
        "docker_group": draw(st.booleans()),
        "memory_bytes": draw(st.integers(0, 2**30)) * 1024,
        "gpus": tuple(draw(st.lists(gpus, max_size=2))),
        "machine_id": draw(st.sampled_from(["", "0123456789abcdef" * 2])),
        "host_keys": frozenset(draw(names)),
        "nvidia_runtime": draw(st.none() | lines),
        "addresses": tuple(draw(st.lists(addresses, max_size=3))),
        "rdma": draw(st.dictionaries(words, words, max_size=2)),
        "docker_cli": draw(st.none() | st.sampled_from(["20.10.24", "29.2.1"])),
        "docker": draw(st.none() | st.just(docker_info(Name="é", Swarm=None))),
        "containers": draw(names),
        "dockerd_flags": draw(names),
        "docker_log": draw(words),
        "docker_root": draw(lines),
        "swarm_on_disk": draw(st.none() | st.dictionaries(words, words, max_size=2)),
        "networks": frozenset(draw(names)),
        "swarm_nodes": tuple(draw(st.lists(st.fixed_dictionaries({"ID": words}), max_size=2))),
        "daemon_folder": draw(st.sampled_from(["absent", "alone", "shared"])),
        "daemon_json": draw(files),
        "runtime_config": draw(files),
        "staged": draw(names),
        "busy": frozenset(draw(names)),
        "kho_off": draw(st.booleans()),
        "speeds": draw(st.dictionaries(words, st.integers(0, 800_000), max_size=2)),
        "links": draw(st.dictionaries(words, words, max_size=2)),
        "fixed": draw(st.dictionaries(words, words, max_size=2)),
        "strangers": tuple(draw(strangers)),
        "folders": draw(st.dictionaries(lines, folders, max_size=3)),
        "journal": draw(st.dictionaries(words, st.dictionaries(words, values), max_size=2)),
    }
    return stock_spark(**changes)


@given(any_facts())
def test_facts_survive_the_way_from_the_machine(facts: Facts) -> None:
    assert parse_facts(facts.node, probe_output(facts)) == facts


@pytest.mark.parametrize("text", ["uninitialized", "0123", "nonsense\n" * 4])
def test_a_machine_id_that_is_none_is_empty(text: str) -> None:
    assert parse_facts("spark-a", probe_output(stock_spark(machine_id=text))).machine_id == ""


@given(st.binary(max_size=60) | st.lists(st.binary(max_size=8)).map((b"\n%b " % MARK).join))
def test_garbage_is_a_remote_error(output: bytes) -> None:
    with pytest.raises(RemoteError) as caught:
        parse_facts("spark-a", output)
    assert caught.value.node == "spark-a"
    assert caught.value.resolution


@pytest.mark.parametrize("address", ["10.0.0", "fe80::1", "10.0.0.1; reboot", "[/x]", ""])
def test_an_address_that_is_none_is_a_remote_error(address: str) -> None:
    """Before anybody reckons with it."""
    output = probe_output(stock_spark(addresses=(Address("enp1s0f1np1", address, 24),)))
    with pytest.raises(RemoteError, match="cannot be parsed"):
        parse_facts("spark-a", output)


@given(st.integers(0, 2000))
def test_a_probe_that_was_cut_off_is_a_remote_error_or_lacks_only_its_end(cut: int) -> None:
    whole = probe_output(stock_spark())
    try:
        facts = parse_facts("spark-a", whole[:cut])
    except RemoteError:
        return
    assert facts.user == "nvidia"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ids", "x:y"),
        ("docker_info", "[1, 2]"),
        ("docker_info", "{"),
        ("addresses", "[1]"),
        ("addresses", '[{"flags": ["UP"], "addr_info": [{"family": "inet"}]}]'),
        ("rdma", "one-word"),
        ("swarm_nodes", "{"),
        ("folder./x", ""),
        ("daemon_json.stat", "644"),
        ("user", b"\xff\xfe"),
    ],
)
def test_a_value_of_another_shape_is_a_remote_error(name: str, value: str | bytes) -> None:
    with pytest.raises(RemoteError):
        parse_facts("spark-a", told({name: value}))


def test_what_cannot_be_understood_is_in_no_message() -> None:
    """A machine's own files are among what it says, with passwords in them; messages are posted."""
    secret = "proxy-password-7"
    document = {"daemon_json": secret, "docker_info": f'["{secret}"', "ids": f"{secret}:1"}
    for name, value in document.items():
        with pytest.raises(RemoteError) as caught:
            parse_facts("spark-a", told({name: value, "daemon_json.stat": "644"}))
        assert secret not in json.dumps(caught.value.to_dict())


@pytest.mark.parametrize("content", [b"", b'{"version": 1, "cl', b"\xff\xfe", b"[1]", b"[" * 9999])
def test_a_record_that_says_nothing_is_that_and_no_more(content: bytes) -> None:
    facts = parse_facts("a", told({"journal.0001-x.json": content}))
    assert isinstance(facts.journal["0001-x.json"], Unreadable)


@pytest.mark.parametrize("name", ["dockerd_flags", "kernel", "os", "docker_log", "staged", "gpus"])
def test_a_byte_that_is_no_text_is_shown_as_such(name: str) -> None:
    facts = parse_facts("a", told({name: b"--label=caf\xe9"}))
    if name == "dockerd_flags":
        assert facts.dockerd_flags == ("--label=caf\ufffd",)


def test_an_engine_that_does_not_answer_is_none() -> None:
    docker = {"ServerVersion": "", "ClientInfo": {"Version": "29.2.1"}}
    facts = parse_facts("spark-a", probe_output(stock_spark(docker=docker)))
    assert facts.docker is None
    assert facts.engine == "none"
    assert facts.swarm_state == "inactive"
    assert facts.swarm_node_id is None


def test_only_addresses_of_links_that_are_up_count() -> None:
    def link(name: str, flags: list[str], family: str = "inet") -> dict[str, Any]:
        info = {"family": family, "local": "10.0.0.1", "prefixlen": 24}
        return {"ifname": name, "flags": flags, "addr_info": [info]}

    links = [
        link("up", ["BROADCAST", "UP"]),
        link("down", ["BROADCAST"]),
        link("lo", ["LOOPBACK", "UP"]),
        link("six", ["UP"], "inet6"),
    ]
    facts = parse_facts("spark-a", told({"addresses": json.dumps(links)}))
    assert facts.addresses == (Address("up", "10.0.0.1", 24),)


def test_an_image_that_was_built_upon_ours_is_not_ours() -> None:
    """It has inherited the label, which is what the probe asks for."""
    images = "sparkctl/train:0123456789ab\nmy/app:1\n<none>:<none>\n"
    facts = parse_facts("spark-a", told({"images": images}))
    assert facts.images == ("sparkctl/train:0123456789ab",)


def test_what_is_no_gpu_row_is_no_gpu() -> None:
    rows = "NVIDIA-SMI has failed, because, x\nGPU-1, NVIDIA GB10, 580\n"
    facts = parse_facts("spark-a", told({"gpus": rows}))
    assert facts.gpus == (Gpu("GPU-1", "NVIDIA GB10", "580"),)


@pytest.mark.parametrize(
    ("said", "now"),
    [
        ("97, 71.40, 68, [N/A]", Gauges(97.0, 71.4, 68.0)),
        ("0, [Not Supported], N/A, 512", Gauges(utilization=0.0, memory_used=2**29)),
        ("97 %, 71.40 W, 68, 1 MiB", Gauges(97.0, 71.4, 68.0, 2**20)),
        ("-1, nan, inf, 1e400", Gauges(memory_used=2**20)),
        ("[Unknown Error], , ٣, much", Gauges()),
    ],
)
def test_a_gauge_that_is_no_number_is_none(said: str, now: Gauges) -> None:
    assert parse_gpus(f"GPU-1, NVIDIA GB10, 580, {said}") == (
        Gpu("GPU-1", "NVIDIA GB10", "580", now),
    )


def test_the_home_of_the_machine_replaces_the_tilde() -> None:
    facts = stock_spark(home="/srv/home/n")
    assert facts.expand("~/sparkctl/runs") == "/srv/home/n/sparkctl/runs"
    assert facts.expand("/data/~x") == "/data/~x"
