"""YAML bodies as the API server reads them: YAML 1.1 made into JSON values.

The rules of which plain scalar is what are those of the server's YAML library, which differ from
PyYAML's: `1e3` is a number, `12:30` and `2001-01-01` are text, `y` is true, `010` is eight. Only the
first document counts. PyYAML is imported when the first YAML body arrives.
"""

from __future__ import annotations

import binascii
import math
import re
from typing import TYPE_CHECKING, Any

from roost.api.values import Object, Value

if TYPE_CHECKING:
    import yaml as pyyaml

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

    try:
        loader = _loader_class()(raw)
        root: Any = loader.get_node() if loader.check_node() else None
        if root is None:
            return None, []
        reader = _Reader(ALIAS_ALLOWANCE + len(raw))
        value = reader.value(root)
    except pyyaml.MarkedYAMLError as error:
        raise MalformedYAML(_message(error)) from None
    except (pyyaml.YAMLError, UnicodeDecodeError) as error:
        raise MalformedYAML(f"yaml: {_first_line(error)}") from None
    except RecursionError:
        raise MalformedYAML("yaml: exceeded max depth") from None
    if reader.repeated:
        return value, ["yaml: unmarshal errors:\n" + "\n".join(reader.repeated)]
    return value, []


def _loader_class() -> Any:
    """Return PyYAML's C parser (or its Python one) without its own ideas of types."""
    import yaml as pyyaml

    base: Any = getattr(pyyaml, "CSafeLoader", pyyaml.SafeLoader)
    return type("_Loader", (base,), {"resolve": _resolve})


def _resolve(_loader: object, kind: type, _value: object, implicit: object) -> str:
    """Return "" as the tag of a plain scalar, to be read by `_Reader`, and usual tags of others."""
    if kind.__name__ == "ScalarNode":
        plain = isinstance(implicit, tuple) and implicit[0]
        return "" if plain else f"{_TAG}str"
    return f"{_TAG}seq" if kind.__name__ == "SequenceNode" else f"{_TAG}map"


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


class _Reader:
    """Makes JSON values of a tree of YAML nodes."""

    def __init__(self, allowance: int) -> None:
        self._allowance = allowance
        #: `  line 7: key "a" already set in map`, in order.
        self.repeated: list[str] = []

    def value(self, node: Any) -> Value:
        self._allowance -= 1
        if self._allowance < 0:
            raise MalformedYAML("yaml: document contains excessive aliasing")
        if node.id == "mapping":
            return self._mapping(node)
        if node.id == "sequence":
            return [self.value(item) for item in node.value]
        return _scalar(node.tag, node.value)

    def _mapping(self, node: Any) -> Object:
        made: Object = {}
        merged: list[Object] = []
        for key_node, value_node in node.value:
            if key_node.id == "scalar" and key_node.tag == "" and key_node.value == "<<":
                merged.extend(self._merges(value_node))
                continue
            key = _key(self.value(key_node))
            if key in made:
                line = key_node.start_mark.line + 1
                self.repeated.append(f'  line {line}: key "{key}" already set in map')
            made[key] = self.value(value_node)
        for other in merged:
            for key, value in other.items():
                made.setdefault(key, value)
        return made

    def _merges(self, node: Any) -> list[Object]:
        nodes = node.value if node.id == "sequence" else [node]
        if any(item.id != "mapping" for item in nodes):
            raise MalformedYAML("yaml: map merge requires map or sequence of maps as the value")
        return [self.value(item) for item in nodes]


def _key(value: Value) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    raise MalformedYAML(f"error converting YAML to JSON: unsupported map key: {value!r}")


def _scalar(tag: str, text: str) -> Value:
    if tag == "":
        return _plain(text)
    if tag == f"{_TAG}binary":
        try:
            return binascii.a2b_base64(text).decode()
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
