"""Which IP addresses belong to the public internet, so that a schema cannot reach into the network of the gateway."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

_SPECIAL_IPV4: Final = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # this network, and on Linux this machine
        "10.0.0.0/8",
        "100.64.0.0/10",  # between a provider and its customers; some clouds serve metadata here
        "127.0.0.0/8",
        "168.63.129.16/32",  # looks public, but is the host of a virtual machine in Azure
        "169.254.0.0/16",  # link-local, with the metadata of most clouds
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
    )
)
"""What IANA's registry of special-purpose addresses has, and what clouds made of public ones."""

_GLOBAL_UNICAST: Final = IPv6Network("2000::/3")
"""The only IPv6 addresses that are given out; all others are local, mapped, multicast or reserved."""

_SPECIAL_IPV6: Final = tuple(
    IPv6Network(network)
    for network in (
        "2001::/23",  # Teredo, benchmarks, ORCHID and other protocols
        "2001:db8::/32",
        "2620:4f:8000::/48",
        "3ffe::/16",
        "3fff::/20",
        "5f00::/16",
    )
)

_MAPPED: Final = IPv6Network("::ffff:0:0/96")
_NAT64: Final = IPv6Network("64:ff9b::/96")
_6TO4: Final = IPv6Network("2002::/16")


def is_public(address: str) -> bool:
    """Return whether *address* is one that anybody on the internet may be reached under.

    An IPv6 address that stands for an IPv4 address is what that one is.

    Args:
        address: As the resolver returns it: an IPv6 address may have a scope, as in `fe80::1%eth0`.
    """
    parsed = ip_address(address)
    inner = _embedded(parsed) if isinstance(parsed, IPv6Address) else parsed
    if inner is not None:
        return not any(inner in network for network in _SPECIAL_IPV4)
    return parsed in _GLOBAL_UNICAST and not any(parsed in network for network in _SPECIAL_IPV6)


def _embedded(address: IPv6Address) -> IPv4Address | None:
    """Return the IPv4 address that *address* stands for."""
    number = int(address)
    if address in _MAPPED or address in _NAT64:
        return IPv4Address(number & 0xFFFF_FFFF)
    if address in _6TO4:
        return IPv4Address(number >> 80 & 0xFFFF_FFFF)
    return None
