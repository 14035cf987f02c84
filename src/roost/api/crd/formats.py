"""The formats that a schema may ask for; those not named here are not checked, and warned about."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from roost.api.addresses import parse_address, parse_network
from roost.api.cel.values import EvaluationError, duration_of, timestamp_of
from roost.api.encodings import is_base64
from roost.api.names import check_label, check_subdomain
from roost.api.quantity import parse
from roost.api.uris import absolute_fault
from roost.api.validation.causes import quoted
from roost.api.values import Object

_PART = r"([a-zA-Z0-9_]|[a-zA-Z0-9_][a-zA-Z0-9_-]{0,61}[a-zA-Z0-9_])"
_HOST = re.compile(rf"^{_PART}(\.{_PART})*\.?$")
_UUID = r"^[0-9a-f]{8}-?[0-9a-f]{4}-?%s[0-9a-f]{3}-?[0-9a-f]{4}-?[0-9a-f]{12}$"
_WIDE = "\u00a0-\ud7ff\uf900-\ufdcf\ufdf0-\uffef"
_WORD = rf"[a-zA-Z0-9!#$%&'*+\-/=?^_`{{|}}~{_WIDE}]+"
_WORDS = re.compile(rf"{_WORD}(\.{_WORD})*")
_MARK = rf"[ \t\x01-\x08\x0b\x0c\x0e-\x21\x23-\x5b\x5d-\x7f{_WIDE}]|\\[\x01-\x7f{_WIDE}]"
_QUOTED = re.compile(rf'"({_MARK})*"')
_HEAD = re.compile(rf"[a-zA-Z0-9{_WIDE}]([a-zA-Z0-9\-._~{_WIDE}]*[a-zA-Z0-9{_WIDE}])?")
_TAIL = re.compile(rf"[a-zA-Z{_WIDE}]([a-zA-Z0-9\-_~{_WIDE}]*[a-zA-Z{_WIDE}])?")
_DAYS = re.compile(r"^(\d+)\s*(d|day|days|w|week|weeks)$")


def _matching(pattern: str) -> Callable[[str], bool]:
    compiled = re.compile(pattern, re.IGNORECASE)
    return lambda text: compiled.match(text) is not None


def _succeeds(parse: Callable[[str], object]) -> Callable[[str], bool]:
    def check(text: str) -> bool:
        try:
            parse(text)
        except (ValueError, EvaluationError):
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


def _address(text: str) -> object:
    if "%" in text:
        raise ValueError(text)
    return parse_address(text)


def _uri(text: str) -> bool:
    return not absolute_fault(text)


def _email(text: str) -> bool:
    """A mailbox at a domain of two labels or more, the last of which starts and ends with a letter."""
    local, _, domain = text.rpartition("@")
    head, _, tail = domain.removesuffix(".").rpartition(".")
    return (
        (_WORDS.fullmatch(local) or _QUOTED.fullmatch(local)) is not None
        and _HEAD.fullmatch(head) is not None
        and _TAIL.fullmatch(tail) is not None
    )


def _isbn10(text: str) -> bool:
    bare = re.sub(r"[\s-]", "", text)
    if not re.fullmatch(r"[0-9]{9}[0-9X]", bare):
        return False
    digits = [10 if sign == "X" else int(sign) for sign in bare]
    return sum((at + 1) * digit for at, digit in enumerate(digits)) % 11 == 0


def _isbn13(text: str) -> bool:
    bare = re.sub(r"[\s-]", "", text)
    if not re.fullmatch(r"[0-9]{13}", bare):
        return False
    return sum(int(sign) * (3 if at % 2 else 1) for at, sign in enumerate(bare)) % 10 == 0


_CARD = re.compile(
    r"(?:4[0-9]{12}(?:[0-9]{3})?|5[1-5][0-9]{14}|(222[1-9]|22[3-9][0-9]|2[3-6][0-9]{2}|27[01][0-9]"
    r"|2720)[0-9]{12}|6(?:011|5[0-9][0-9])[0-9]{12}|3[47][0-9]{13}|3(?:0[0-5]|[68][0-9])[0-9]{11}"
    r"|(?:2131|1800|35\d{3})\d{11}|6[27][0-9]{14})"
)


def _card(text: str) -> bool:
    bare = re.sub(r"[^0-9]", "", text)
    if not _CARD.fullmatch(bare):
        return False
    doubled = (int(sign) * (1 + at % 2) for at, sign in enumerate(reversed(bare)))
    return sum(number - 9 * (number > 9) for number in doubled) % 10 == 0


_SHARE = r"\s*(0|[1-9]\d?|1\d\d?|2[0-4]\d|25[0-5])\s*"
FORMATS: dict[str, Callable[[str], bool]] = {
    "datetime": _succeeds(_moment),
    "date": _succeeds(_day),
    "duration": _succeeds(_length),
    "byte": is_base64,
    "ipv4": lambda text: "." in text and _succeeds(_address)(text),
    "ipv6": lambda text: ":" in text and _succeeds(_address)(text),
    "cidr": _succeeds(parse_network),
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
    "isbn": lambda text: _isbn10(text) or _isbn13(text),
    "isbn10": _isbn10,
    "isbn13": _isbn13,
    "creditcard": _card,
    "ssn": lambda text: (
        len(text) == 11 and re.match(r"\d{3}[- ]?\d{2}[- ]?\d{4}$", text) is not None
    ),
    "rgbcolor": _matching(rf"^rgb\({_SHARE},{_SHARE},{_SHARE}\)$"),
    "password": lambda _: True,
    "quantity": _succeeds(parse),
    "k8sshortname": lambda text: not check_label(text),
    "k8slongname": lambda text: not check_subdomain(text),
}
_NUMBERS = {"integer": ("int32", "int64"), "number": ("float", "double")}


def known_format(schema: Object) -> str:
    """Return the format that a schema asks for, "" for none that is known for its type.

    What restricts a schema from within (anyOf and so on) has no type of its own: that is read like one
    of texts.
    """
    form, kind = schema.get("format") or "", schema.get("type") or ""
    of_text = kind in ("", "string") and form.replace("-", "") in FORMATS
    return form if of_text or form in _NUMBERS.get(kind, ()) else ""


def check_of(schema: Object) -> Callable[[str], bool] | None:
    """Return the check of texts of the format that a schema asks for, None if there is none."""
    return FORMATS.get(known_format(schema).replace("-", ""))


def unknown_formats(schema: Any) -> Iterator[str]:
    """Yield what is warned about: the formats in a schema that nobody knows."""
    if not isinstance(schema, dict):
        return
    if schema.get("format") and not known_format(schema):
        yield f"unrecognized format {quoted(schema['format'])}"
    parts = [schema.get("items"), schema.get("not"), schema.get("additionalProperties")]
    for key in ("allOf", "anyOf", "oneOf"):
        parts += schema.get(key) or ()
    for part in (*parts, *(schema.get("properties") or {}).values()):
        yield from unknown_formats(part)
