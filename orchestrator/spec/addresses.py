"""Addresses of the fabric as people type them; what is wrong with one is a sentence."""

import ipaddress
from typing import Annotated

from pydantic import BeforeValidator

_ONLY_IPV4 = "the fabric goes by IPv4"


def is_link_local(address: str) -> bool:
    """Whether the address is one that vanishes with the link (169.254/16, fe80::/10)."""
    return ipaddress.ip_address(address).is_link_local


def _address(value: object) -> object:
    if not isinstance(value, str):
        return value if isinstance(value, ipaddress.IPv4Address) else _raise_not_text()
    try:
        found = ipaddress.ip_interface(value)
    except ValueError:
        raise ValueError(f"{value!r} is no address; write for example 192.168.100.10") from None
    if "/" in value:
        raise ValueError(f"{value!r} has a prefix; write the address alone: {found.ip}")
    if found.version != 4:
        raise ValueError(f"{value!r} is IPv6; {_ONLY_IPV4}")
    if found.is_link_local:
        raise ValueError(
            f"{value!r} is link-local: it vanishes with the link, and then Docker no longer "
            "starts; give the port a static address"
        )
    return found.ip


def _network(value: object) -> object:
    if not isinstance(value, str):
        return value if isinstance(value, ipaddress.IPv4Network) else _raise_not_text()
    try:
        found = ipaddress.ip_interface(value)
    except ValueError:
        raise ValueError(f"{value!r} is no network; write for example 192.168.100.0/24") from None
    if found.version != 4:
        raise ValueError(f"{value!r} is IPv6; {_ONLY_IPV4}")
    if "/" not in value:
        raise ValueError(f"{value!r} has no prefix; write for example {value}/24")
    if found.ip != found.network.network_address:
        raise ValueError(
            f"{value!r} is an address in a network; write the network: {found.network}"
        )
    return found.network


def _raise_not_text() -> object:
    raise ValueError("text is expected, such as 192.168.100.10")


FabricAddress = Annotated[ipaddress.IPv4Address, BeforeValidator(_address)]
FabricNetwork = Annotated[ipaddress.IPv4Network, BeforeValidator(_network)]
