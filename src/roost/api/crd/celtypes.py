"""The CEL type of a schema, with the sizes that its values can have: the estimate of costs rests on
them.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import count

from roost.api.cel.types import (  # fmt: skip
    BOOL,
    BYTES,
    DOUBLE,
    DURATION,
    DYN,
    INT,
    STRING,
    TIMESTAMP,
    Field,
    Type,
    list_of,
    map_of,
    object_of,
)
from roost.api.values import Object

MAX_REQUEST_BYTES = 3 * 1024 * 1024
_KEYWORDS = frozenset(
    [
        "true",
        "false",
        "null",
        "in",
        "as",
        "break",
        "const",
        "continue",
        "else",
        "for",
        "function",
        "if",
        "import",
        "let",
        "loop",
        "package",
        "namespace",
        "return",
        "var",
        "void",
        "while",
    ]
)
_numbers = count(1)
_TEXT = {"type": "string"}
_META: Object = {"type": "object", "properties": {"name": _TEXT, "generateName": _TEXT}}


def escape(name: str) -> str | None:
    """Return the name of a property as expressions write it; None when they cannot."""
    if not name or not (name[0].isalpha() or name[0] in "_.-/"):
        return None
    if name in _KEYWORDS:
        return f"__{name}__"
    out = name.replace("__", "__underscores__")
    for sign, word in ((".", "__dot__"), ("-", "__dash__"), ("/", "__slash__")):
        out = out.replace(sign, word)
    return out if out.replace("_", "a").isalnum() and out.isascii() else None


def max_cardinality(of: Type) -> int:
    """Return how many values of a type a request can hold at most."""
    return MAX_REQUEST_BYTES // (of.min_size + 1)


def declared(schema: Object, *, is_object: bool = False) -> Type | None:
    """Return the CEL type of a schema, or None where rules know nothing of its values."""
    return _declared(schema, is_object, f"selfType{next(_numbers)}")


def _declared(schema: Object, is_object: bool, name: str) -> Type | None:
    if schema.get("x-kubernetes-int-or-string"):
        most = MAX_REQUEST_BYTES - 2
        return replace(DYN, format="int-or-string", max_elements=most, min_size=1)
    if is_object:
        given = schema.get("properties") or {}
        # What a schema says itself of these counts; without it they are there all the same.
        schema = {
            **schema,
            "properties": {"apiVersion": _TEXT, "kind": _TEXT, "metadata": _META, **given},
        }
        schema.pop("additionalProperties", None)
    kind = schema.get("type")
    if kind == "array":
        return _list(schema, name)
    if kind == "object":
        extra = schema.get("additionalProperties")
        return _map(schema, extra, name) if isinstance(extra, dict) else _object(schema, name)
    if kind == "string":
        return _string(schema)
    if kind == "number":
        return replace(DOUBLE, format="number")
    if kind == "boolean":
        return replace(BOOL, min_size=4)
    return replace(INT, format="integer") if kind == "integer" else None


def _list(schema: Object, name: str) -> Type | None:
    items = schema.get("items")
    if not isinstance(items, dict):
        return None
    inner = _declared(items, bool(items.get("x-kubernetes-embedded-resource")), f"{name}.@idx")
    if inner is None:
        return None
    most = schema.get("maxItems")
    if most is None:
        most = (MAX_REQUEST_BYTES - 2) // (inner.min_size + 1)
    return list_of(inner).sized(max(most, 0), 2)


def _map(schema: Object, extra: Object, name: str) -> Type | None:
    inner = _declared(extra, bool(extra.get("x-kubernetes-embedded-resource")), f"{name}.@elem")
    if inner is None:
        return None
    most = schema.get("maxProperties")
    if most is None:
        most = (MAX_REQUEST_BYTES - 2) // (inner.min_size + 6)
    return map_of(STRING.sized(0, 2), inner).sized(max(most, 0), 2)


def _object(schema: Object, name: str) -> Type:
    fields: dict[str, Field] = {}
    required = set(schema.get("required") or ())
    size = 2
    for key, inner in (schema.get("properties") or {}).items():
        embedded = bool(inner.get("x-kubernetes-embedded-resource"))
        of = _declared(inner, embedded, f"{name}.{key}")
        if of is None:
            continue
        shown = escape(key)
        if shown is not None:
            fields[shown] = Field(of, key)
        if key in required and inner.get("default") is None:
            size += len(key) + of.min_size + 4
    return replace(object_of(name, fields), min_size=size)


#: format -> (type, least and greatest size in JSON)
_FORMATS: dict[str, tuple[Type, int, int]] = {
    "duration": (DURATION, 4, 32),
    "date": (TIMESTAMP, 12, 12),
    "date-time": (TIMESTAMP, 21, 32),
}


def _string(schema: Object) -> Type:
    form = schema.get("format") or ""
    if form in _FORMATS:
        of, least, most = _FORMATS[form]
        return replace(of, format=form, max_elements=most, min_size=least)
    longest = schema.get("maxLength")
    if longest is None and schema.get("enum") and form != "byte":
        longest = max(len(one) for one in schema["enum"] if isinstance(one, str))
    most = MAX_REQUEST_BYTES - 2 if longest is None else max(longest, 0)
    if form == "byte":
        return replace(BYTES, format="byte", max_elements=most, min_size=2)
    return replace(STRING, max_elements=most, min_size=2)
