"""YAML bodies as the API server reads them: YAML 1.1 made into JSON values.

The rules of which plain scalar is what are those of the server's YAML library, which differ from
PyYAML's: `1e3` is a number, `12:30` and `2001-01-01` are text, `y` is true, `010` is eight. Only the
first document counts. Values are built from the parser's events, one by one: PyYAML's own composer
recurses in C, so that a deep document would end the process. PyYAML is imported when the first YAML
body arrives.
"""

from __future__ import annotations

import binascii
import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from roost.api.values import Object, Value, copy_of

if TYPE_CHECKING:
    import yaml as pyyaml

#: How deep a document may nest.
MAX_DEPTH = 500
#: A document may grow this much by aliases before it is taken for an attack, in nodes.
ALIAS_ALLOWANCE = 100_000

_TAG = "tag:yaml.org,2002:"
_WORDS: dict[str, Value] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"),
                    False),
}  # fmt: skip
_INTEGER = re.compile(r"([-+]?)(?:0[xX]([0-9a-fA-F]+)|0[bB]([01]+)|0[oO]?([0-7]+)|(0|[1-9]\d*))")
_FLOAT = re.compile(r"[-+]?(?:\.\d+|\d+(?:\.\d*)?)(?:[eE][-+]?\d+)?")
_SPECIAL_FLOAT = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")


class MalformedYAML(ValueError):
    """The text is not YAML, or has no JSON form; the message is that of the server's library."""


def parse(raw: bytes) -> tuple[Value, list[str]]:
    """Return the value of the first document and the complaints of a strict reader.

    Raises MalformedYAML.
    """
    import yaml as pyyaml

    parser: Any = getattr(pyyaml, "CSafeLoader", pyyaml.SafeLoader)
    builder = _Builder(ALIAS_ALLOWANCE + len(raw))
    try:
        loader = parser(raw)
        while not builder.done:
            builder.take(loader.get_event())
    except pyyaml.MarkedYAMLError as error:
        raise MalformedYAML(_message(error)) from None
    except (pyyaml.YAMLError, UnicodeDecodeError) as error:
        raise MalformedYAML(f"yaml: {_first_line(error)}") from None
    if builder.repeated:
        return builder.value, ["yaml: unmarshal errors:\n" + "\n".join(builder.repeated)]
    return builder.value, []


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else "unknown problem"


def _message(error: pyyaml.MarkedYAMLError) -> str:
    """Return a parser's error with the line that the server's library would give."""
    scanner = type(error).__name__ == "ScannerError"
    line = 0
    for mark in (error.context_mark, error.problem_mark):
        if mark is not None and mark.line:
            line = mark.line + (1 if scanner else 0)
            break
    where = f"line {line}: " if line else ""
    return f"yaml: {where}{error.problem or 'unknown problem parsing YAML content'}"


@dataclass(slots=True)
class _Open:
    """A collection that is being read; a mapping has a key while its value is awaited."""

    value: Any
    anchor: str | None
    size: int = 1  # nodes in it, with what aliases stand for
    key: str | None = None
    merging: bool = False  # the key was <<
    merged: list[Object] = field(default_factory=list)


class _Builder:
    """Makes a JSON value of the events of a document."""

    def __init__(self, allowance: int) -> None:
        self.value: Value = None
        self.done = False
        #: `  line 7: key "a" already set in map`, in order.
        self.repeated: list[str] = []
        self._allowance = allowance
        self._open: list[_Open] = []
        self._anchors: dict[str, tuple[Value, int]] = {}

    def take(self, event: Any) -> None:
        """Go on by one event."""
        kind = type(event).__name__
        if kind == "ScalarEvent":
            plain = event.tag is None and event.implicit[0]
            if plain and event.value == "<<" and self._awaits_key():
                self._open[-1].merging = True
            else:
                value = _plain(event.value) if plain else _tagged(event.tag, event.value)
                self._finish(value, 1, event.anchor, event)
        elif kind == "MappingStartEvent":
            self._start({}, event)
        elif kind == "SequenceStartEvent":
            self._start([], event)
        elif kind in {"MappingEndEvent", "SequenceEndEvent"}:
            self._end(event)
        elif kind == "AliasEvent":
            self._alias(event)
        elif kind in {"DocumentEndEvent", "StreamEndEvent"}:
            self.done = True

    def _awaits_key(self) -> bool:
        if not self._open:
            return False
        top = self._open[-1]
        return isinstance(top.value, dict) and top.key is None and not top.merging

    def _start(self, value: Value, event: Any) -> None:
        if self._awaits_key():
            raise MalformedYAML("error converting YAML to JSON: unsupported map key: a collection")
        if len(self._open) >= MAX_DEPTH:
            raise MalformedYAML("yaml: exceeded max depth")
        self._open.append(_Open(value, event.anchor))

    def _end(self, event: Any) -> None:
        closed = self._open.pop()
        for other in closed.merged:
            for key, value in other.items():
                closed.value.setdefault(key, value)
        self._finish(closed.value, closed.size, closed.anchor, event)

    def _alias(self, event: Any) -> None:
        if event.anchor not in self._anchors:
            if any(one.anchor == event.anchor for one in self._open):
                raise MalformedYAML(f"yaml: anchor '{event.anchor}' value contains itself")
            raise MalformedYAML(f"yaml: unknown anchor '{event.anchor}' referenced")
        value, size = self._anchors[event.anchor]
        self._allowance -= size
        if self._allowance < 0:
            raise MalformedYAML("yaml: document contains excessive aliasing")
        self._finish(copy_of(value), size, None, event)

    def _finish(self, value: Value, size: int, anchor: str | None, event: Any) -> None:
        """Put a value that is complete where it belongs."""
        if anchor is not None:
            self._anchors[anchor] = (value, size)
        if not self._open:
            self.value = value
            return
        top = self._open[-1]
        top.size += size
        if isinstance(top.value, list):
            top.value.append(value)
        elif top.merging:
            top.merging = False
            top.merged.extend(_merged(value))
        elif top.key is None:
            top.key = _key(value)
            if top.key in top.value:
                line = event.start_mark.line + 1
                self.repeated.append(f'  line {line}: key "{top.key}" already set in map')
        else:
            top.value[top.key] = value
            top.key = None


def _merged(value: Value) -> list[Object]:
    values = value if isinstance(value, list) else [value]
    if not all(isinstance(one, dict) for one in values):
        raise MalformedYAML("yaml: map merge requires map or sequence of maps as the value")
    return values


def _key(value: Value) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    raise MalformedYAML(f"error converting YAML to JSON: unsupported map key: {value!r}")


def _tagged(tag: str | None, text: str) -> Value:
    """Return what a scalar means that is quoted or has a tag."""
    if tag == f"{_TAG}binary":
        try:
            return binascii.a2b_base64("".join(text.split()), strict_mode=True).decode()
        except ValueError:
            raise MalformedYAML("yaml: !!binary value contains invalid base64 data") from None
    if tag in {f"{_TAG}{name}" for name in ("int", "float", "bool", "null")}:
        return _plain(text)
    return text


def _plain(text: str) -> Value:
    """Return what a plain scalar means."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "+-.0123456789":
        return text
    digits = text.replace("_", "")
    found = _INTEGER.fullmatch(digits)
    if found is not None and len(digits) < 64:
        sign, base16, base2, base8, base10 = found.groups()
        for base, number in ((16, base16), (2, base2), (8, base8), (10, base10)):
            if number is not None:
                return -int(number, base) if sign == "-" else int(number, base)
    if _SPECIAL_FLOAT.fullmatch(text):
        raise MalformedYAML(f"error converting YAML to JSON: json: unsupported value: {text}")
    if _FLOAT.fullmatch(digits):
        return _number(float(digits), text)
    return text


def _number(value: float, text: str) -> Value:
    if math.isinf(value):
        return text
    # JSON has one kind of number: 3.0 is written, and read again, as 3.
    return int(value) if value.is_integer() and abs(value) < 1e21 else value
