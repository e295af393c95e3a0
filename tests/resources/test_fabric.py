"""Which address is on the fast link: detected, or as the cluster file says."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.errors import NodeErrors, PreflightError
from orchestrator.resources.fabric import FabricPort, fabric_ports
from tests.support.clusters import cluster, world_of

LAN = "enP7s7 10.1.1.{n}/24"
PORT_0 = "enp1s0f0np0 192.168.200.{n}/24"
PORT_1 = "enp1s0f1np1 192.168.100.{n}/24"
TWIN_0 = "enP2p1s0f0np0 192.168.201.{n}/24"
TWIN_1 = "enP2p1s0f1np1 192.168.101.{n}/24"
RDMA = {
    "enp1s0f1np1": "rocep1s0f1",
    "enP2p1s0f1np1": "roceP2p1s0f1",
    "enp1s0f0np0": "rocep1s0f0",
    "enP2p1s0f0np0": "roceP2p1s0f0",
}


def ports(
    at_a: list[str], at_b: list[str], *, fabric: dict[str, Any] | None = None, **nodes: Any
) -> dict[str, FabricPort]:
    """Ports of two machines with these addresses; `{n}` is 1 and 2."""
    named = [{"name": n, "fabric": nodes.get(n, {})} for n in ("a", "b")]
    spec = cluster({"nodes": named, "fabric": fabric or {}})
    machines = {
        name: {"addresses": [line.format(n=n) for line in lines], "rdma": RDMA}
        for n, (name, lines) in enumerate({"a": at_a, "b": at_b}.items(), start=1)
    }
    return fabric_ports(spec, world_of(spec, machines))


def chosen(found: dict[str, FabricPort]) -> list[str]:
    return [f"{port.interface} {port.address}" for port in found.values()]


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ([LAN, PORT_1, TWIN_1], [LAN, PORT_1, TWIN_1], ["enp1s0f1np1 192.168.100.{n}"] * 2),
        ([PORT_0, PORT_1], [PORT_0, PORT_1], ["enp1s0f1np1 192.168.100.{n}"] * 2),
        ([LAN, PORT_0, TWIN_0], [PORT_0, TWIN_0], ["enp1s0f0np0 192.168.200.{n}"] * 2),
        ([TWIN_1, TWIN_0], [TWIN_1, TWIN_0], ["enP2p1s0f1np1 192.168.101.{n}"] * 2),
        ([PORT_1, PORT_0], [PORT_0], ["enp1s0f0np0 192.168.200.{n}"] * 2),
    ],
    ids=["port 1", "both: port 1 first", "port 0", "second twin", "only what both have"],
)
def test_a_port_in_a_subnet_that_all_share_is_found(
    a: list[str], b: list[str], expected: list[str]
) -> None:
    wanted = [text.format(n=n) for n, text in enumerate(expected, start=1)]
    assert chosen(ports(a, b)) == wanted


def test_a_cable_that_crosses_the_ports_is_found() -> None:
    crossed = ["enp1s0f0np0 192.168.100.{n}/24"]
    assert chosen(ports([PORT_1], crossed)) == [
        "enp1s0f1np1 192.168.100.1",
        "enp1s0f0np0 192.168.100.2",
    ]


def test_the_lan_is_never_taken_by_itself() -> None:
    with pytest.raises(NodeErrors) as caught:
        ports([LAN], [LAN])
    assert [e.node for e in caught.value.errors] == ["a", "b"]
    assert "addresses there: enP7s7 10.1.1.1/24" in str(caught.value.errors[0].details)


def test_a_link_local_address_is_refused_even_when_it_is_named() -> None:
    local = ["enp1s0f1np1 169.254.7.{n}/16"]
    with pytest.raises(NodeErrors):
        ports(local, local)
    with pytest.raises(NodeErrors) as caught:
        ports(local, local, fabric={"interface": "enp1s0f1np1"})
    assert "interface enp1s0f1np1" in caught.value.errors[0].brief
    assert "169.254" in str(caught.value.errors[0].resolution)


def test_the_interface_of_the_cluster_file_wins() -> None:
    both = [LAN, PORT_1]
    assert chosen(ports(both, both, fabric={"interface": "enP7s7"})) == [
        "enP7s7 10.1.1.1",
        "enP7s7 10.1.1.2",
    ]


def test_the_subnet_of_the_cluster_file_wins() -> None:
    found = ports([LAN, PORT_1], [LAN, PORT_0], fabric={"subnet": "10.1.1.0/24"})
    assert chosen(found) == ["enP7s7 10.1.1.1", "enP7s7 10.1.1.2"]


def test_a_node_wins_over_the_cluster() -> None:
    found = ports(
        [LAN, PORT_1],
        [LAN, PORT_1],
        fabric={"interface": "enp1s0f1np1"},
        b={"address": "10.1.1.2"},
        a={"interface": "enP7s7"},
    )
    assert chosen(found) == ["enP7s7 10.1.1.1", "enP7s7 10.1.1.2"]


def test_addresses_that_are_named_for_every_node_may_be_routed() -> None:
    named = {"a": {"address": "10.1.1.1"}, "b": {"address": "192.168.200.2"}}
    found = ports([LAN, PORT_1], [LAN, PORT_0], **named)
    assert chosen(found) == ["enP7s7 10.1.1.1", "enp1s0f0np0 192.168.200.2"]
    with pytest.raises(PreflightError, match="no subnet"):
        ports([LAN, PORT_1], [LAN, PORT_0], a=named["a"])


@given(st.permutations(["a", "b", "c"]))
def test_the_subnet_is_the_same_whatever_the_order_of_the_nodes(order: list[str]) -> None:
    """Two switches, one behind each port; at one machine their cables are the other way round."""
    at = {"a": (0, 1), "b": (1, 0), "c": (0, 1)}
    machines = {
        name: {
            "addresses": [
                f"enp1s0f{port}np{port} 10.0.{net}.{ord(name)}/24" for port, net in enumerate(nets)
            ]
        }
        for name, nets in at.items()
    }
    spec = cluster({"nodes": order})
    found = fabric_ports(spec, world_of(spec, machines))
    assert {name: port.address.rpartition(".")[0] for name, port in found.items()} == dict.fromkeys(
        order, "10.0.1"
    )


@pytest.mark.parametrize(
    ("fabric", "node", "words"),
    [
        ({"interface": "eth9"}, {}, "no usable address on interface eth9"),
        ({"subnet": "10.9.0.0/16"}, {}, "no usable address on subnet 10.9.0.0/16"),
        ({}, {"address": "10.9.9.9"}, "no usable address on 10.9.9.9"),
    ],
)
def test_what_was_looked_for_is_said(
    fabric: dict[str, Any], node: dict[str, Any], words: str
) -> None:
    with pytest.raises((PreflightError, NodeErrors)) as caught:
        ports([PORT_1], [PORT_1], fabric=fabric, a=node)
    error = caught.value
    first = error.errors[0] if isinstance(error, NodeErrors) else error
    assert words in first.brief


def test_both_twins_of_the_port_give_their_rdma_devices() -> None:
    found = ports([PORT_0, PORT_1], [PORT_0, PORT_1])
    assert found["a"].rdma == ("roceP2p1s0f1", "rocep1s0f1")


def test_an_interface_with_another_name_has_only_its_own_rdma_device() -> None:
    spec = cluster({"nodes": ["a"], "fabric": {"interface": "ib0"}})
    machine = {"addresses": ["ib0 10.0.0.1/24"], "rdma": {"ib0": "mlx5_0", "ib1": "mlx5_1"}}
    assert fabric_ports(spec, world_of(spec, {"a": machine}))["a"].rdma == ("mlx5_0",)


@pytest.mark.parametrize(
    ("addresses", "expected"),
    [
        (["wlP9s9 10.1.1.7/24"], FabricPort("lo", "127.0.0.1")),
        (["enp1s0f1np1 169.254.1.7/16"], FabricPort("lo", "127.0.0.1")),
        ([], FabricPort("lo", "127.0.0.1")),
    ],
    ids=["Wi-Fi", "link-local", "nothing"],
)
def test_a_single_spark_without_a_cable_is_on_loopback(
    addresses: list[str], expected: FabricPort
) -> None:
    spec = cluster({"nodes": ["a"]})
    assert fabric_ports(spec, world_of(spec, {"a": {"addresses": addresses}}))["a"] == expected


def test_a_single_spark_is_not_put_on_loopback_against_its_cluster_file() -> None:
    spec = cluster({"nodes": ["a"], "fabric": {"interface": "eth9"}})
    with pytest.raises(PreflightError):
        fabric_ports(spec, world_of(spec))
