"""Rules for IP addresses and ranges, as texts in objects."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import TypeAlias

from roost.api.validation.causes import Causes

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

NOT_AN_IP = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
_NOT_A_RANGE = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
_ZEROES = re.compile(r"(?<![0-9a-fA-F:])0+(?=\d)")


@lru_cache(maxsize=2048)
def parse_ip(text: str) -> Address | None:
    """Return the address a text stands for, None for none; leading zeroes are decimal."""
    if "%" in text:
        return None
    if "." in text and ":" not in text:
        text = _ZEROES.sub("", text)
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found


def is_ipv6(text: str) -> bool:
    """Tell whether a text is an IPv6 address."""
    found = parse_ip(text)
    return found is not None and found.version == 6


def parse_range(text: str) -> Network | None:
    """Return the range that a text stands for, None for none; host bits are allowed."""
    address, slash, bits = text.partition("/")
    if not slash or not bits.isdecimal():
        return None
    if ":" not in address:
        address = _ZEROES.sub("", address)
    try:
        return ipaddress.ip_network(f"{address}/{bits}", strict=False)
    except ValueError:
        return None


def ip(text: str, path: str, causes: Causes) -> bool:
    """Check an address; tell whether it is one."""
    if parse_ip(text) is None:
        causes.invalid(path, text, NOT_AN_IP)
        return False
    return True


def ip_range(text: str, path: str, causes: Causes) -> bool:
    """Check a range; tell whether it is one."""
    if parse_range(text) is None:
        causes.invalid(path, text, _NOT_A_RANGE)
        return False
    return True


def not_special(text: str, path: str, causes: Causes) -> None:
    """Refuse addresses that mean something only on one machine or link."""
    found = parse_ip(text)
    if found is None:
        causes.invalid(path, text, "must be a valid IP address")
        return
    if found.is_unspecified:
        causes.invalid(path, text, f"may not be unspecified ({text})")
    if found.is_loopback:
        rule = "may not be in the loopback range (127.0.0.0/8, ::1/128)"
        causes.invalid(path, text, rule)
    if found.is_link_local:
        rule = "may not be in the link-local range (169.254.0.0/16, fe80::/10)"
        causes.invalid(path, text, rule)
    if _is_link_local_multicast(found):
        rule = "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)"
        causes.invalid(path, text, rule)


def _is_link_local_multicast(found: Address) -> bool:
    packed = found.packed
    if found.version == 4:
        return packed[:3] == b"\xe0\x00\x00"
    return packed[0] == 0xFF and packed[1] & 0x0F == 0x02


def one_of_each_family(texts: Iterable[str]) -> bool:
    """Tell whether these addresses are one of IPv4 and one of IPv6, or fewer."""
    families = [found.version for found in map(parse_ip, texts) if found is not None]
    return len(families) == len(set(families))
