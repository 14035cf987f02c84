"""Rules for IP addresses and ranges, as texts in objects.

Rule: what older fields took is looked at strictly now (no leading zeros, no IPv4 in IPv6, no bits beyond
the prefix), but what an object has already it may keep; newer fields want the canonical form.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Container, Iterable, Iterator
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


def _mapped(text: str) -> bool:
    """Tell whether a text is an IPv4 address in the form of an IPv6 one."""
    return ":" in text and not is_ipv6(text)


def ip(text: str, path: str, causes: Causes, known: Container[str] = ()) -> bool:
    """Check an address; tell whether it is one. Those in `known` were let in once, and stay."""
    if text in known:
        return True
    if parse_ip(text) is None:
        causes.invalid(path, text, NOT_AN_IP)
    elif ":" not in text and _has_leading_zero(text):
        causes.invalid(path, text, "must not have leading 0s")
    elif _mapped(text):
        causes.invalid(path, text, "must not be an IPv4-mapped IPv6 address")
    else:
        return True
    return False


def ip_range(text: str, path: str, causes: Causes, known: Container[str] = ()) -> bool:
    """Check a range; tell whether it is one. Those in `known` were let in once, and stay."""
    if text in known:
        return True
    found = parse_range(text)
    address, _, bits = text.partition("/")
    if found is None:
        causes.invalid(path, text, _NOT_A_RANGE)
    elif (":" not in address and _has_leading_zero(address)) or _padded(bits):
        causes.invalid(path, text, "must not have leading 0s in IP or prefix length")
    elif _mapped(address):
        causes.invalid(path, text, "must not have an IPv4-mapped IPv6 address")
    elif parse_ip(address) != found.network_address:
        causes.invalid(path, text, "must not have bits set beyond the prefix length")
    else:
        return True
    return False


def canonical_range(text: str, path: str, causes: Causes) -> None:
    """Check a range of a newer field, which must be in its shortest form too."""
    if ip_range(text, path, causes) and str(parse_range(text)) != text:
        causes.invalid(path, text, f'must be in canonical form ("{parse_range(text)}")')


def _has_leading_zero(address: str) -> bool:
    return any(map(_padded, address.split(".")))


def _padded(number: str) -> bool:
    return len(number) > 1 and number.startswith("0")


def ip_advice(text: str, path: str) -> Iterator[str]:
    """Say how an address should better be written."""
    if is_ipv6(text) and str(parse_ip(text)) != text:
        yield (
            f'{path}: IPv6 address "{text}" should be in RFC 5952 canonical format '
            f'("{parse_ip(text)}")'
        )


def range_advice(text: str, path: str) -> Iterator[str]:
    """Say how a range should better be written."""
    found = parse_range(text)
    if found is not None and found.version == 6 and str(found) != text:
        yield (
            f'{path}: IPv6 CIDR value "{text}" should be in RFC 5952 canonical format ("{found}")'
        )


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
