"""Typed decoding: what Go's decoders do to the body of a request.

Each node is compiled once into a function over values: unknown fields are dropped, nulls are absent,
zeros that the real server does not write are dropped, what it always writes is there (see
`presence`), and scalars become canonical.
That function knows nothing about where it is; when a value is not as the schema says, `strict` walks
it again, slowly, to say where and what. Decoding is idempotent, and the result shares nothing with
the input.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from roost.api.errors import BadRequest
from roost.api.schema import scalars, strict
from roost.api.schema.node import Node
from roost.api.schema.nodes import node as node_of
from roost.api.schema.presence import kept_fields, unset_fields
from roost.api.schema.scalars import Mismatch
from roost.api.values import Object, Value, copy_of

Convert: TypeAlias = Callable[[Any], Any]
#: How a field is decoded: the class its value must have (`object`: the function decides), the
#: function that makes it canonical (None: it is), and whether a zero is kept.
_Entry: TypeAlias = tuple[type, Convert | None, bool]

_CRD = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1."
_FIRST = ("kind", "apiVersion", "metadata")


class _Unusual(Exception):
    """A value is not as its schema says; where and what is for `strict` to find out."""


def decode(node: Node, value: Value) -> tuple[Object, list[str]]:
    """Return the decoded object and what a strict decoder complains about, in Go's words.

    Complaints are `unknown field "spec.foo"` and, if the body was read with its duplicates,
    `duplicate field "spec.bar"`. Raises Mismatch if a value has the wrong type.
    """
    complaints: list[str] = []
    if value is None:
        value = {}
    try:
        decoded = _decoded(node, value)
    except (_Unusual, Mismatch):
        decoded, complaints = _decoded_strictly(node, value)
    except RecursionError:
        raise Mismatch("exceeded max depth") from None
    ordered = {name: decoded[name] for name in _FIRST if name in decoded}
    ordered.update(decoded)
    return ordered, complaints


def _decoded_strictly(node: Node, value: Value) -> tuple[Object, list[str]]:
    try:
        pruned, complaints = strict.prune(node, value)
        return _decoded(node, pruned), complaints
    except RecursionError:
        raise Mismatch("exceeded max depth") from None


def _decoded(node: Node, value: Value) -> Object:
    if not isinstance(value, dict) or isinstance(value, strict.Pairs):
        raise _Unusual
    decoded: Object = _struct(node)(value)
    return decoded


def decode_object(node: Node, value: Value, field_validation: str) -> tuple[Object, list[str]]:
    """Return the decoded object and the warnings that its author gets.

    `field_validation` is Strict, Warn or Ignore. Raises BadRequest, in the words of the real server,
    for a value of the wrong type, and under Strict for unknown and duplicate fields.
    """
    try:
        decoded, complaints = decode(node, value)
    except Mismatch as error:
        raise unhandled(node, value, str(error)) from None
    if complaints and field_validation == "Strict":
        raise unhandled(node, value, strict_message(complaints))
    return decoded, complaints if field_validation == "Warn" else []


def strict_message(complaints: list[str]) -> str:
    """Return what a strict decoder says of complaints: `strict decoding error: a, b`."""
    return "strict decoding error: " + ", ".join(complaints)


def unhandled(node: Node, value: Value, why: str) -> BadRequest:
    """Return `Pod in version "v1" cannot be handled as a Pod: why`."""
    named = node.resolve().rules.get("x-kubernetes-group-version-kind") or [{}]
    expected: Object = named[0]
    body: Object = value if isinstance(value, dict) else {}
    kind = body.get("kind") or expected.get("kind", "")
    version = str(body.get("apiVersion") or expected.get("version", "")).rpartition("/")[2]
    return BadRequest(
        f'{kind} in version "{version}" cannot be handled as a {expected.get("kind", kind)}: {why}'
    )


def _struct(node: Node) -> Convert:
    """Return the decoder of an object with fields; its table is made when it is first used."""
    node.resolve()
    if node.decoder is not None:
        found: Convert = node.decoder
        return found
    table: dict[str, _Entry] = {}
    unset: list[tuple[str, Value]] = []

    def decode_struct(value: Object) -> Object:
        if not table:
            unset.extend(unset_fields(node).items())
            table.update(_table(node))
        decoded = {}
        for name, item in value.items():
            try:
                expected, convert, keep = table[name]
            except KeyError:
                raise _Unusual from None
            if item.__class__ is expected:
                if convert is not None:
                    item = convert(item)
                if item or keep:
                    decoded[name] = item
            elif item is None:
                continue
            elif expected is object and convert is not None:
                decoded[name] = convert(item)
            else:
                raise _Unusual
        for name, written in unset:
            if name not in decoded:
                decoded[name] = copy_of(written) if written.__class__ is dict else written
        return decoded

    node.decoder = decode_struct
    return decode_struct


#: Lists whose emptiness means something until the object is stored: the strategy of their kind makes
#: them null, or its rules refuse them.
_EMPTY_LISTS = {
    ("io.k8s.api.autoscaling.v2.HPAScalingRules", "policies"),
    ("io.k8s.api.discovery.v1.EndpointSlice", "endpoints"),
    ("io.k8s.api.discovery.v1.EndpointSlice", "ports"),
}


def _table(node: Node) -> dict[str, _Entry]:
    kept = kept_fields(node.name) | frozenset(node.required)
    table = {}
    for name, field in node.fields.items():
        expected, convert = _entry(field)
        # `{}` of a structure is a value of its own; an empty list is none, for it does not survive
        # the real server's storage, except where that is JSON.
        keep = name in kept or (expected is dict and field.values is None)
        if expected is list and not node.name.startswith(_CRD):
            keep = (node.name, name) in _EMPTY_LISTS
        table[name] = (expected, convert, keep)
    return table


def _entry(node: Node) -> tuple[type, Convert | None]:
    node.resolve()
    special = _SPECIAL.get(node.name)
    if special is not None:
        return object, special
    if node.quantity:
        return object, scalars.canonical_quantity
    if node.int_or_string:
        return object, scalars.int_or_string
    if node.open:
        return object, copy_of
    if node.time:
        return str, scalars.micro_time if node.name.endswith("MicroTime") else scalars.time
    return _PLAIN[node.type](node)


def _array(node: Node) -> tuple[type, Convert | None]:
    items = node.items
    entry: tuple[type, Convert | None] = (object, copy_of) if items is None else _entry(items)
    return list, _elements(entry, zero(items))


def _elements(entry: tuple[type, Convert | None], empty: Value) -> Convert:
    expected, convert = entry

    def decode_list(value: list[Any]) -> list[Any]:
        decoded = []
        for item in value:
            if item.__class__ is expected:
                decoded.append(item if convert is None else convert(item))
            elif item is None:
                decoded.append(_made_of_null(entry, empty))
            elif expected is object and convert is not None:
                decoded.append(convert(item))
            else:
                raise _Unusual
        return decoded

    return decode_list


def _made_of_null(entry: tuple[type, Convert | None], empty: Value) -> Value:
    """Return what a null stands for; a structure has the fields that are always written."""
    expected, convert = entry
    if expected is dict and convert is not None:
        return convert({})
    return copy_of(empty)


def _map(node: Node) -> tuple[type, Convert | None]:
    if node.values is None:
        return dict, _struct(node)
    entry = expected, convert = _entry(node.values)
    empty = zero(node.values)

    def decode_map(value: Object) -> Object:
        decoded = {}
        for name, item in value.items():
            if item.__class__ is expected:
                decoded[name] = item if convert is None else convert(item)
            elif item is None:
                decoded[name] = _made_of_null(entry, empty)
            elif expected is object and convert is not None:
                decoded[name] = convert(item)
            else:
                raise _Unusual
        return decoded

    return dict, decode_map


def _string(node: Node) -> tuple[type, Convert | None]:
    return str, scalars.base64 if node.format == "byte" else None


def _integer(node: Node) -> tuple[type, Convert | None]:
    return int, scalars.int32 if node.format == "int32" else scalars.int64


def _number(value: Value) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _Unusual
    return value


_PLAIN: dict[str, Callable[[Node], tuple[type, Convert | None]]] = {
    "object": _map,
    "array": _array,
    "string": _string,
    "integer": _integer,
    "number": lambda _node: (object, _number),
    "boolean": lambda _node: (bool, None),
}


def zero(node: Node | None) -> Value:
    """Return what Go makes of a null in a list or map of such values."""
    if node is None:
        return None
    node.resolve()
    if node.quantity:
        return "0"
    if node.int_or_string:
        return 0
    zeros = {"object": {}, "array": [], "string": "", "integer": 0, "number": 0, "boolean": False}
    return None if node.open or node.time else zeros.get(node.type)


_NO_SCHEMA = "json: cannot unmarshal value into Go value of type apiextensions.JSONSchemaProps"


def _schema_or(other: Convert) -> Convert:
    """Return the decoder of a value that is a JSON schema, or something that `other` reads."""

    def decode_schema(value: Value) -> Value:
        if isinstance(value, dict):
            return _struct(node_of(_CRD + "JSONSchemaProps"))(value)
        return other(value)

    return decode_schema


def _boolean(value: Value) -> bool:
    if not isinstance(value, bool):
        raise Mismatch("boolean or JSON schema expected")
    return value


def _no_schema(value: Value) -> Object:
    if value is not None:
        raise Mismatch(_NO_SCHEMA)
    return {}


def _schemas(value: Value) -> list[Any]:
    if not isinstance(value, list):
        raise Mismatch(_NO_SCHEMA)
    return [_schema_or(_no_schema)(item) for item in value]


def _texts(value: Value) -> list[str]:
    if not isinstance(value, list):
        raise Mismatch(_NO_SCHEMA)
    texts = ["" if item is None else item for item in value]
    if not all(isinstance(text, str) for text in texts):
        raise Mismatch("json: cannot unmarshal array element into Go value of type string")
    return texts


_SPECIAL: dict[str, Convert] = {
    _CRD + "JSONSchemaPropsOrBool": _schema_or(_boolean),
    _CRD + "JSONSchemaPropsOrArray": _schema_or(_schemas),
    _CRD + "JSONSchemaPropsOrStringArray": _schema_or(_texts),
}
