"""The builder of causes: a list that reads like the rules it is filled by.

`causes.required(f"{path}.name")` says what `field.Required(path.Child("name"), "")` says in the real
server, in the same words. Values are shown as Go shows them: text quoted, structures as JSON.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from roost.api.errors import Cause

IMMUTABLE = "field is immutable"
#: The path of the object itself: a Go path whose one part has no name is shown as an index.
WHOLE = "[]"
NEGATIVE = "must be greater than or equal to 0"
NOT_POSITIVE = "must be greater than zero"
_encode = msgspec.json.Encoder(order="deterministic").encode
_encode_as_is = msgspec.json.Encoder().encode
_HTML = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})
#: Between these, floats are shown without an exponent.
_PLAIN_MAX, _PLAIN_MIN = 1e6, 1e-4
_ESCAPES = {
    "\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v",
    "\\": "\\\\", '"': '\\"',
}  # fmt: skip


def quoted(text: str) -> str:
    """Return a text as Go's %q shows it."""
    if text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    return '"' + "".join(map(_quoted_letter, text)) + '"'


def _quoted_letter(letter: str) -> str:
    if letter in _ESCAPES:
        return _ESCAPES[letter]
    if letter.isprintable():
        return letter
    code = ord(letter)
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


class Structure(dict[str, Any]):
    """A JSON object whose keys are in the order of a Go structure, not of a map."""


def written(value: Any) -> str:
    """Return a number as Go's %v writes it."""
    if not isinstance(value, float):
        return str(value)
    if not value or _PLAIN_MIN <= abs(value) < _PLAIN_MAX:
        return str(int(value)) if value.is_integer() else repr(value)
    digits = next(
        text for text in (f"{value:.{places}e}" for places in range(18)) if float(text) == value
    )
    mantissa, _, power = digits.partition("e")
    return f"{mantissa}e{power[0]}{int(power[1:]):02d}"


def shown(value: Any) -> str:
    """Return a value as the API shows it in a message."""
    if isinstance(value, str):
        return quoted(value)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return written(value)
    ordered = isinstance(value, Structure) or (
        isinstance(value, list) and bool(value) and isinstance(value[0], Structure)
    )
    text = (_encode_as_is(_sorted(value)) if ordered else _encode(value)).decode()
    return text.translate(_HTML)


def _sorted(value: Any) -> Any:
    """Return a value with its maps in the order of their keys; structures keep theirs."""
    if isinstance(value, dict):
        keys = value if isinstance(value, Structure) else sorted(value)
        return {key: _sorted(value[key]) for key in keys}
    return [_sorted(item) for item in value] if isinstance(value, list) else value


class Causes(list[Cause]):
    """The causes found so far."""

    __slots__ = ()

    def _add(self, reason: str, path: str, message: str) -> None:
        self.append(Cause(reason, message, path))

    def required(self, path: str, detail: str = "") -> None:
        """The value is missing."""
        message = f"Required value: {detail}" if detail else "Required value"
        self._add("FieldValueRequired", path, message)

    def invalid(self, path: str, value: Any, detail: str) -> None:
        """The value breaks a rule."""
        self._add("FieldValueInvalid", path, f"Invalid value: {shown(value)}: {detail}")

    def refused(self, path: str, detail: str) -> None:
        """The value breaks a rule, and is too large or too plain to be shown."""
        self._add("FieldValueInvalid", path, f"Invalid value: {detail}")

    def faults(self, path: str, value: Any, details: Iterable[str]) -> None:
        """The value breaks these rules, none if there are none."""
        for detail in details:
            self.invalid(path, value, detail)

    def internal(self, path: str, detail: str) -> None:
        """The value breaks no rule, and yet nothing can be done with it."""
        self._add("InternalError", path, f"Internal error: {detail}")

    def not_supported(self, path: str, value: Any, supported: Iterable[str]) -> None:
        """The value is not one of those there are."""
        listed = ", ".join(quoted(one) for one in supported)
        text = f"Unsupported value: {shown(value)}: supported values: {listed}"
        self._add("FieldValueNotSupported", path, text)

    def forbidden(self, path: str, detail: str) -> None:
        """Nothing may stand here now."""
        self._add("FieldValueForbidden", path, f"Forbidden: {detail}")

    def duplicate(self, path: str, value: Any, detail: str = "") -> None:
        """The value stands somewhere else too."""
        text = f"Duplicate value: {shown(value)}"
        self._add("FieldValueDuplicate", path, f"{text}: {detail}" if detail else text)

    def not_found(self, path: str, value: Any, detail: str = "") -> None:
        """The value names something that is not there."""
        text = f"Not found: {shown(value)}"
        self._add("FieldValueNotFound", path, f"{text}: {detail}" if detail else text)

    def too_long(self, path: str, limit_bytes: int) -> None:
        """The text or its parts together are over a limit."""
        text = f"Too long: may not be more than {limit_bytes} bytes"
        self._add("FieldValueTooLong", path, text)

    def too_many(self, path: str, number: int, limit: int) -> None:
        """There are more elements than may be."""
        noun = "item" if limit == 1 else "items"
        text = f"Too many: {number}: must have at most {limit} {noun}"
        self._add("FieldValueTooMany", path, text)

    def one_of(self, path: str, value: Any, supported: Iterable[str]) -> None:
        """Refuse a value that is missing or not one of those there are."""
        if value is None or value == "":
            self.required(path)
        elif value not in supported:
            self.not_supported(path, value, supported)

    def not_negative(self, path: str, value: int | None) -> None:
        """Refuse a number below zero; an absent one is fine."""
        if value is not None and value < 0:
            self.invalid(path, value, NEGATIVE)

    def unchanged(self, path: str, new: Any, old: Any, detail: str = IMMUTABLE) -> None:
        """Refuse a new value that differs from the old."""
        if new != old:
            self.invalid(path, new, detail)
