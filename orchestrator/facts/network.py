"""The machine's network: addresses of interfaces that are up, RDMA devices, speeds."""

import ipaddress
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator import assets
from orchestrator.facts.fact import Group, Printed, Raw
from orchestrator.facts.values import as_pairs, pairs
from orchestrator.spec.cluster import PathsSpec


@dataclass(frozen=True)
class Address:
    """An IPv4 address of an interface that is up."""

    interface: str
    address: str
    prefix: int
    carrier: bool = True
    """Whether there is a signal: a cable, and a machine at its other end."""


@dataclass(frozen=True, kw_only=True)
class Network:
    """Where the machine can be met."""

    addresses: tuple[Address, ...]
    rdma: Mapping[str, str]
    """RDMA device by network interface, e.g. enp1s0f1np1 -> rocep1s0f1."""


@dataclass(frozen=True, kw_only=True)
class Speeds:
    """How fast it is met there."""

    speeds: Mapping[str, int]
    """Mb/s by interface, of those that report it."""


def _shell(paths: PathsSpec) -> str:
    return assets.text("templates/facts/network.sh")


def _network(raw: Raw) -> Network:
    return Network(addresses=tuple(_addresses(raw["addresses"])), rdma=pairs(raw["rdma"]))


def _addresses(raw: bytes) -> Iterator[Address]:
    for link in json.loads(raw) if raw.strip() else ():
        flags = link.get("flags", [])
        if "UP" in flags and "LOOPBACK" not in flags:
            for info in link.get("addr_info", []):
                if info.get("family") == "inet":
                    yield _address(link["ifname"], info, carrier="NO-CARRIER" not in flags)


def _address(interface: str, info: Mapping[str, Any], *, carrier: bool) -> Address:
    """What is none is found here, and not where it is reckoned with."""
    ip = ipaddress.IPv4Interface(f"{info['local']}/{info['prefixlen']}")
    return Address(interface, str(ip.ip), ip.network.prefixlen, carrier)


def _stock(number: int) -> Network:
    return Network(
        addresses=(
            Address("enP7s7", f"10.1.1.{number}", 24),
            Address("enp1s0f1np1", f"192.168.100.{number}", 24),
            Address("enP2p1s0f1np1", f"192.168.101.{number}", 24),
        ),
        rdma={"enp1s0f1np1": "rocep1s0f1", "enP2p1s0f1np1": "roceP2p1s0f1"},
    )


def _printed(network: Network) -> Printed:
    return {
        "addresses": json.dumps([_link(address) for address in network.addresses]),
        "rdma": as_pairs(network.rdma),
    }


def _link(address: Address) -> Mapping[str, Any]:
    info = {"family": "inet", "local": address.address, "prefixlen": address.prefix}
    flags = ["UP", "LOWER_UP"] if address.carrier else ["NO-CARRIER", "UP"]
    return {"ifname": address.interface, "flags": flags, "addr_info": [info]}


_STOCK_SPEEDS = {"enP7s7": 10_000, "enp1s0f1np1": 200_000, "enP2p1s0f1np1": 200_000}


def _speeds(raw: Raw) -> Speeds:
    """Without those that report none: -1 where there is no carrier, nothing where it is virtual."""
    speeds = pairs(raw["speeds"])
    return Speeds(
        speeds={name: int(mb) for name, mb in speeds.items() if re.fullmatch("[0-9]{1,7}", mb)}
    )


NETWORK = Group(_shell, _network, _stock, _printed)
SPEEDS = Group(
    lambda paths: assets.text("templates/facts/speeds.sh"),
    _speeds,
    lambda number: Speeds(speeds=dict(_STOCK_SPEEDS)),
    lambda speeds: {"speeds": as_pairs(speeds.speeds)},
)
