"""Network addresses in one spelling, whoever wrote them; pure."""

from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})


CACHED = 4096
"""Addresses kept as parsed: a request asks four times for those of the same few clients."""


@lru_cache(CACHED)
def parse_address(text: str) -> IPv4Address | IPv6Address:
    """Return the address that everything compares.

    An IPv4 address that came in as IPv6 (`::ffff:127.0.0.1`) is one of IPv4, and the zone of a
    link-local address (`fe80::1%eth0`) is left out: it names an interface of one machine.

    Raises:
        ValueError: when it is no address.
    """
    parsed = ip_address(text.strip().removeprefix("[").removesuffix("]"))
    if not isinstance(parsed, IPv6Address):
        return parsed
    return parsed.ipv4_mapped or IPv6Address(int(parsed))


def parse_network(text: str) -> IPv4Network | IPv6Network:
    """Return a network in the spelling in which addresses are compared.

    Raises:
        ValueError: when it is none.
    """
    network = ip_network(text.strip("[]"), strict=False)
    mapped = network.network_address.ipv4_mapped if network.version == 6 else None
    if mapped is not None and network.prefixlen >= 96:
        return IPv4Network((mapped, network.prefixlen - 96))
    return network


def network_of(address: str) -> str:
    """Return what one client can easily have all of: an address, or 64 bits of one in IPv6."""
    try:
        parsed = parse_address(address)
    except ValueError:
        return address
    return parsed.exploded[:19] if isinstance(parsed, IPv6Address) else str(parsed)


def is_loopback(host: str) -> bool:
    """Return whether a host name or address can only be this machine."""
    if host.lower().removesuffix(".") == "localhost":
        return True
    try:
        return parse_address(host).is_loopback
    except ValueError:
        return False
