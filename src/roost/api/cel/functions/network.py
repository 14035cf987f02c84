"""Kubernetes' library for addresses: url(), ip() and cidr()."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, quote

from roost.api.addresses import AddressError, parse_address, parse_network
from roost.api.cel.functions.declare import Declarations
from roost.api.cel.values import EvaluationError, Wrapped
from roost.api.uris import Uri, absolute_fault, parse_reference, reference_fault
from roost.api.validation.causes import quoted

declarations = Declarations()
_add = declarations.add
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_PARSE_FAILED = "parse error during conversion from string: "
_URL_FAILED = f"URL {_PARSE_FAILED}"


@dataclass(frozen=True, slots=True)
class Url(Wrapped):
    """An absolute URI or an absolute path."""

    parts: Uri
    type_name = "kubernetes.URL"


@dataclass(frozen=True, slots=True)
class Ip(Wrapped):
    """One address."""

    address: Address
    type_name = "net.IP"

    def __str__(self) -> str:
        return str(self.address)


@dataclass(frozen=True, slots=True)
class Cidr(Wrapped):
    """A network, with the address it was written with."""

    address: Address
    network: Network
    type_name = "net.CIDR"

    def __str__(self) -> str:
        return f"{self.address}/{self.network.prefixlen}"


def _url(text: str) -> Url:
    fault = absolute_fault(text) or reference_fault(text)
    if fault:
        raise EvaluationError(f"{_URL_FAILED}{fault}")
    return Url(parse_reference(text))


def _good(parse: Any, text: str) -> bool:
    try:
        parse(text)
    except EvaluationError:
        return False
    return True


@_add("url(string) kubernetes.URL", cost="scan")
def url(text: str) -> Url:
    return _url(text)


@_add("isURL(string) bool", cost="scan")
def is_url(text: str) -> bool:
    return _good(_url, text)


@_add("kubernetes.URL . getScheme() string")
def get_scheme(value: Url) -> str:
    return value.parts.scheme


@_add("kubernetes.URL . getHost() string")
def get_host(value: Url) -> str:
    return value.parts.host


@_add("kubernetes.URL . getHostname() string")
def get_hostname(value: Url) -> str:
    return value.parts.hostname


@_add("kubernetes.URL . getPort() string")
def get_port(value: Url) -> str:
    return value.parts.port


@_add("kubernetes.URL . getEscapedPath() string")
def get_escaped_path(value: Url) -> str:
    return quote(value.parts.path, safe="/%:@!$&'()*+,;=~-._[]")


@_add("kubernetes.URL . getQuery() map(string, list(string))")
def get_query(value: Url) -> dict[str, list[str]]:
    return parse_qs(value.parts.query, keep_blank_values=True)


def _ip(text: str) -> Ip:
    try:
        address = parse_address(text)
    except AddressError as error:
        raise EvaluationError(f"IP Address {quoted(text)} {_PARSE_FAILED}{error}") from None
    if isinstance(address, ipaddress.IPv6Address) and address.scope_id is not None:
        raise EvaluationError(f"IP address {quoted(text)} with zone value is not allowed")
    _unmapped(address, text)
    return Ip(address)


def _unmapped(address: Address, text: str, before: str = "") -> None:
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        shown = quoted(text)
        raise EvaluationError(f"{before}IPv4-mapped IPv6 address {shown} is not allowed")


def _cidr(text: str) -> Cidr:
    failed = f"network address {_PARSE_FAILED}"
    try:
        address, length = parse_network(text)
    except AddressError as error:
        # Kubernetes says it twice: where it reads, and where the function is called.
        raise EvaluationError(f"{failed}{failed}{error}") from None
    _unmapped(address, text, failed)
    return Cidr(address, ipaddress.ip_network((address, length), strict=False))


@_add("ip(string) net.IP", cost="scan")
def ip(text: str) -> Ip:
    return _ip(text)


@_add("isIP(string) bool", cost="scan")
def is_ip(text: str) -> bool:
    return _good(_ip, text)


@_add("ip.isCanonical(string) bool", cost="scan")
def is_canonical(text: str) -> bool:
    return str(_ip(text)) == text


@_add("net.IP . family() int")
def family(value: Ip) -> int:
    return value.address.version


@_add("net.IP . isUnspecified() bool")
def is_unspecified(value: Ip) -> bool:
    return value.address.is_unspecified


@_add("net.IP . isLoopback() bool")
def is_loopback(value: Ip) -> bool:
    return value.address.is_loopback


@_add("net.IP . isLinkLocalMulticast() bool")
def is_link_local_multicast(value: Ip) -> bool:
    address = value.address
    if address.version == 4:
        return address in ipaddress.ip_network("224.0.0.0/24")
    return address.is_multicast and address.packed[1] & 0x0F == 2


@_add("net.IP . isLinkLocalUnicast() bool")
def is_link_local_unicast(value: Ip) -> bool:
    return value.address.is_link_local


@_add("net.IP . isGlobalUnicast() bool")
def is_global_unicast(value: Ip) -> bool:
    address = value.address
    broadcast = str(address) == "255.255.255.255"
    other = (
        address.is_unspecified
        or address.is_loopback
        or address.is_multicast
        or address.is_link_local
    )
    return not (broadcast or other)


@_add("cidr(string) net.CIDR", cost="scan")
def cidr(text: str) -> Cidr:
    return _cidr(text)


@_add("isCIDR(string) bool", cost="scan")
def is_cidr(text: str) -> bool:
    return _good(_cidr, text)


def _contains(network: Network, address: Address) -> bool:
    return network.version == address.version and address in network


@_add("net.CIDR . containsIP(net.IP) bool", "net.CIDR . containsIP(string) bool")
def contains_ip(value: Cidr, address: Any) -> bool:
    return _contains(value.network, (_ip(address) if isinstance(address, str) else address).address)


@_add("net.CIDR . containsCIDR(net.CIDR) bool", "net.CIDR . containsCIDR(string) bool")
def contains_cidr(value: Cidr, other: Any) -> bool:
    inner = (_cidr(other) if isinstance(other, str) else other).network
    return (
        _contains(value.network, inner.network_address)
        and value.network.prefixlen <= inner.prefixlen
    )


@_add("net.CIDR . ip() net.IP")
def ip_of(value: Cidr) -> Ip:
    return Ip(value.address)


@_add("net.CIDR . masked() net.CIDR")
def masked(value: Cidr) -> Cidr:
    return Cidr(value.network.network_address, value.network)


@_add("net.CIDR . prefixLength() int")
def prefix_length(value: Cidr) -> int:
    return value.network.prefixlen


@_add("string(net.IP) string", "string(net.CIDR) string")
def to_string(value: Any) -> str:
    return str(value)
