"""The formats of text that a schema may ask for; those not named here are not checked."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from collections.abc import Callable
from urllib.parse import urlsplit

from roost.api.cel.values import EvaluationError, duration_of, timestamp_of

_PART = r"([a-zA-Z0-9_]|[a-zA-Z0-9_][a-zA-Z0-9_-]{0,61}[a-zA-Z0-9_])"
_HOST = re.compile(rf"^{_PART}(\.{_PART})*\.?$")
_UUID = r"^[0-9a-f]{8}-?[0-9a-f]{4}-?%s[0-9a-f]{3}-?[0-9a-f]{4}-?[0-9a-f]{12}$"
_DAYS = re.compile(r"^(\d+)\s*(d|day|days|w|week|weeks)$")


def _matching(pattern: str) -> Callable[[str], bool]:
    compiled = re.compile(pattern, re.IGNORECASE)
    return lambda text: compiled.match(text) is not None


def _succeeds(parse: Callable[[str], object]) -> Callable[[str], bool]:
    def check(text: str) -> bool:
        try:
            parse(text)
        except (ValueError, EvaluationError, binascii.Error):
            return False
        return True

    return check


def _moment(text: str) -> object:
    return timestamp_of(text)


def _day(text: str) -> object:
    if len(text) != len("2006-01-02"):
        raise ValueError(text)
    return timestamp_of(f"{text}T00:00:00Z")


def _length(text: str) -> object:
    return _DAYS.match(text) or duration_of(text.replace(" ", ""))


def _uri(text: str) -> bool:
    try:
        found = urlsplit(text)
    except ValueError:
        return False
    return bool(found.scheme) or text.startswith("/")


def _email(text: str) -> bool:
    local, at, domain = text.rpartition("@")
    return bool(at and local and domain) and " " not in text


FORMATS: dict[str, Callable[[str], bool]] = {
    "date-time": _succeeds(_moment),
    "datetime": _succeeds(_moment),
    "date": _succeeds(_day),
    "duration": _succeeds(_length),
    "byte": _succeeds(lambda text: base64.b64decode(text, validate=True)),
    "ipv4": _succeeds(ipaddress.IPv4Address),
    "ipv6": _succeeds(ipaddress.IPv6Address),
    "cidr": lambda text: (
        "/" in text and _succeeds(lambda t: ipaddress.ip_network(t, strict=False))(text)
    ),
    "mac": _matching(r"^([0-9a-f]{2}[:-]){5}([0-9a-f]{2}|([0-9a-f]{2}[:-]){2}[0-9a-f]{2})$"),
    "uuid": _matching(_UUID % "[0-9a-f]"),
    "uuid3": _matching(_UUID % "3"),
    "uuid4": _matching(
        r"^[0-9a-f]{8}-?[0-9a-f]{4}-?4[0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}$"
    ),
    "uuid5": _matching(
        r"^[0-9a-f]{8}-?[0-9a-f]{4}-?5[0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}$"
    ),
    "uri": _uri,
    "email": _email,
    "hostname": lambda text: len(text) <= 255 and _HOST.match(text) is not None,
    "hexcolor": _matching(r"^#?([0-9a-f]{3}|[0-9a-f]{6})$"),
    "bsonobjectid": _matching(r"^[0-9a-f]{24}$"),
}
