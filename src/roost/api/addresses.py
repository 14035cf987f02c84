"""Addresses and networks that somebody wrote as text, and what Go's `netip` has against them.

Rule: whether a text is good is for Python's `ipaddress`; only what is no good is looked at letter by
letter, for the words of the complaint.
"""

from __future__ import annotations

import ipaddress
import re

from roost.api.numerals import natural
from roost.api.validation.causes import quoted

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_digits = re.compile(r"[0-9]*").match
_hex = re.compile(r"[0-9A-Fa-f]*").match
_GROUPS, _GROUP_DIGITS, _OCTETS = 8, 4, 4


class AddressError(ValueError):
    """A text that is no address or no network."""


def parse_address(text: str) -> Address:
    """Read an address. Raises AddressError with Go's words; a zone stays in the address."""
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        fault, rest = _fault(text)
        at = f" (at {quoted(rest)})" if rest else ""
        raise AddressError(f"ParseAddr({quoted(text)}): {fault}{at}") from None


def parse_network(text: str) -> tuple[Address, int]:
    """Read an address with the length of its prefix. Raises AddressError with Go's words."""

    def refuse(fault: str) -> AddressError:
        return AddressError(f"netip.ParsePrefix({quoted(text)}): {fault}")

    head, slash, bits = text.rpartition("/")
    if not slash:
        raise refuse("no '/'")
    try:
        address = parse_address(head)
    except AddressError as error:
        raise refuse(str(error)) from None
    if isinstance(address, ipaddress.IPv6Address) and address.scope_id is not None:
        raise refuse("IPv6 zones cannot be present in a prefix")
    length = natural(bits)
    if length is None or (len(bits) > 1 and bits[0] == "0"):
        raise refuse(f"bad bits after slash: {quoted(bits)}")
    if length > address.max_prefixlen:
        raise refuse("prefix length out of range")
    return address, length


def _fault(text: str) -> tuple[str, str]:
    """Return what is wrong with what is no address, and where: the rest of the text, "" for all."""
    for letter in text:
        if letter == ".":
            return _fault_of_four(text)
        if letter == ":":
            return _fault_of_six(text)
        if letter == "%":
            return "missing IPv6 address", ""
    return "unable to parse IP", ""


def _fault_of_four(text: str) -> tuple[str, str]:
    octets, at = 0, 0
    while True:
        found = _digits(text, at)
        number = found[0] if found else ""
        # Go judges each digit as it comes: a second one after a zero, then the number.
        for end in range(1, len(number) + 1):
            if end > 1 and number[0] == "0":
                return "IPv4 field has octet with leading zero", ""
            if int(number[:end]) > 255:
                return "IPv4 field has value >255", ""
        at += len(number)
        if at < len(text) and text[at] != ".":
            return "unexpected character", text[at:]
        if at < len(text) and (not number or at == len(text) - 1):
            return "IPv4 field must have at least one digit", text[at:]
        octets += 1
        if at == len(text):
            return "IPv4 address too short", ""
        if octets == _OCTETS:
            return "IPv4 address too long", ""
        at += 1


def _fault_of_six(text: str) -> tuple[str, str]:
    rest, percent, zone = text.partition("%")
    if percent and not zone:
        return "zone must be a non-empty string", ""
    groups, ellipsis = 0, rest.startswith("::")
    if ellipsis:
        rest = rest[2:]
    while groups < _GROUPS and rest:
        found = _hex(rest)
        number = found[0] if found else ""
        fault = _fault_of_group(number, rest, groups, ellipsis)
        if fault is not None:
            return fault
        groups, rest = groups + 1, rest[len(number) :]
        if not rest:
            break
        if rest[0] != ":":
            return "unexpected character, want colon", rest
        if len(rest) == 1:
            return "colon must be followed by more characters", rest
        rest = rest[1:]
        if rest[0] == ":":
            if ellipsis:
                return "multiple :: in address", rest
            ellipsis, rest = True, rest[1:]
    if rest:
        return "trailing garbage after address", rest
    if groups < _GROUPS:
        return "address string too short", ""
    return "the :: must expand to at least one field of zeros", ""


def _fault_of_group(number: str, rest: str, groups: int, ellipsis: bool) -> tuple[str, str] | None:
    """Return what is wrong with a group of digits, with what follows it."""
    if len(number) > _GROUP_DIGITS:
        return "each group must have 4 or less digits", rest
    if not number:
        return "each colon-separated field must have at least one digit", rest
    if not rest[len(number) :].startswith("."):
        return None
    if not ellipsis and groups != _GROUPS - 2:
        return "embedded IPv4 address must replace the final 2 fields of the address", rest
    if groups > _GROUPS - 2:
        return "too many hex fields to fit an embedded IPv4 at the end of the address", rest
    inner, at = _fault_of_four(rest)
    told = f"ParseAddr({quoted(rest)}): {inner}" + (f" (at {quoted(at)})" if at else "")
    return told, rest
