"""The slow walk over a value that is not as its schema says: where, and what is wrong.

`prune` complains about unknown and duplicate fields in the order in which they stand in the body, and
raises Go's message: of the first value that a decoder of its own refuses (a time, a quantity), or else
of the first of a wrong type.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from roost.api.schema import scalars
from roost.api.schema.node import Node
from roost.api.schema.nodes import node as node_of
from roost.api.schema.scalars import Mismatch
from roost.api.schema.texttypes import text_type
from roost.api.values import Object, Value

#: A strict decoder stops counting here.
MAX_COMPLAINTS = 100
_BYTE_MAX = 255

_CRD = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1."
_SCHEMA = _CRD + "JSONSchemaProps"
_SCHEMA_OR = {_SCHEMA + "OrBool", _SCHEMA + "OrArray", _SCHEMA + "OrStringArray"}

_CLASSES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
}


class Pairs(dict[str, Value]):
    """An object of a body that was read with its duplicates: the last of each, and their names."""

    __slots__ = ("duplicates",)

    def __init__(self, pairs: list[tuple[str, Value]]) -> None:
        super().__init__(pairs)
        seen: set[str] = set()
        #: Names that stand there more than once, once for each time too many.
        self.duplicates = [name for name, _ in pairs if name in seen or seen.add(name)]  # type: ignore[func-returns-value]  # add is for its effect


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the walk is: the path with indices, and Go's idea of it (type, path without)."""

    path: str = ""
    struct: str = ""
    trail: str = ""

    def field(self, struct: str, name: str) -> _Place:
        path = f"{self.path}.{name}" if self.path else name
        trail = f"{self.trail}.{name}" if self.trail else name
        return _Place(path, struct, trail)

    def key(self, name: str) -> _Place:
        return _Place(f"{self.path}.{name}" if self.path else name, self.struct, self.trail)

    def index(self, number: int) -> _Place:
        return _Place(f"{self.path}[{number}]", self.struct, self.trail)


class _Found(list[str]):
    """The complaints, and the first value of a wrong type: Go goes on after such."""

    __slots__ = ("mismatch",)

    def __init__(self) -> None:
        super().__init__()
        self.mismatch: Mismatch | None = None

    def keep(self, mismatch: Mismatch) -> None:
        self.mismatch = self.mismatch or mismatch

    def tell(self) -> None:
        """Raise the first mismatch, if there is one."""
        if self.mismatch is not None:
            raise self.mismatch


def prune(node: Node, value: Value) -> tuple[Value, list[str]]:
    """Return a copy of a value without unknown fields, and the complaints of a strict decoder.

    Raises Mismatch for a value of a wrong type.
    """
    complaints = _Found()
    pruned = _walk(node, value, _Place(), complaints)
    complaints.tell()
    return pruned, list(dict.fromkeys(complaints))[:MAX_COMPLAINTS]


def _walk(node: Node, value: Value, place: _Place, complaints: _Found) -> Value:
    node.resolve()
    if node.name in _SCHEMA_OR:  # it has a decoder of its own, which is not strict
        inner = _Found()
        pruned = _walk(_schema_of(node, value, place), value, place, inner)
        inner.tell()
        return pruned
    if value is None:
        return None
    if node.open and not node.fields:
        return _plain(value)
    if node.type == "object":
        return _walk_object(node, value, place, complaints)
    if node.type == "array":
        if not isinstance(value, list):
            return complaints.keep(_wrong(node, value, place))
        items = node.items or Node(open=True)
        return [_walk(items, v, place.index(i), complaints) for i, v in enumerate(value)]
    return _scalar(node, value, place, complaints)


def _schema_of(node: Node, value: Value, place: _Place) -> Node:
    """Return the node of a value that may be a JSON schema or something else."""
    if isinstance(value, dict):
        return node_of(_SCHEMA).resolve()
    if isinstance(value, list) and not node.name.endswith("OrBool"):
        plain = node.name.endswith("OrStringArray")
        return Node(type="array", items=Node(type="string") if plain else node_of(_SCHEMA))
    if value is None or (isinstance(value, bool) and node.name.endswith("OrBool")):
        return Node(open=True)
    name = node.name.rpartition(".")[2]
    if name.endswith("OrBool"):
        raise Mismatch("boolean or JSON schema expected")
    into = f"struct field {place.struct}.{place.trail} of type v1.{name}"
    raise Mismatch(f"json: cannot unmarshal {_what(value)} into Go {into}")


def _walk_object(node: Node, value: Value, place: _Place, complaints: _Found) -> Value:
    if not isinstance(value, dict):
        return complaints.keep(_wrong(node, value, place))
    pruned: Object = {}
    struct = node.name.rpartition(".")[2]
    duplicates = value.duplicates if isinstance(value, Pairs) else []
    for name, item in value.items():
        inner = place.key(name) if node.values is not None else place.field(struct, name)
        field = node.values or node.fields.get(name)
        if field is None:
            complaints.append(f'unknown field "{inner.path}"')
            continue
        if name in duplicates:
            complaints.append(f'duplicate field "{inner.path}"')
        pruned[name] = _walk(field, item, inner, complaints)
    return pruned


def _plain(value: Value) -> Value:
    """Return a copy of a value without a schema, which nobody looks into."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value


def _scalar(node: Node, value: Value, place: _Place, complaints: _Found) -> Value:
    if node.quantity:
        return scalars.canonical_quantity(value)
    if node.int_or_string:
        try:
            return scalars.int_or_string(value)
        except Mismatch:
            wrong = _wrong(Node(type="integer", format="int32"), value, place)
            wrong.conversion = str(_wrong(Node(type="integer", format="int32"), value, _Place()))
            raise wrong from None
    if node.time:
        if not isinstance(value, str):
            wrong = _wrong(Node(type="string"), value, place)
            wrong.conversion = str(_wrong(Node(type="string"), value, _Place()))
            raise wrong
        return scalars.micro_time(value) if node.name.endswith("MicroTime") else scalars.time(value)
    if node.format == "byte" and isinstance(value, list):
        return scalars.base64_of([_byte(item, place, complaints) for item in value])
    if type(value) not in _CLASSES[node.type]:
        return complaints.keep(_wrong(node, value, place))
    try:
        if node.format == "byte":
            return scalars.base64(value)
        if node.type == "integer":
            return scalars.int32(value) if node.format == "int32" else scalars.int64(value)
    except Mismatch as mismatch:
        complaints.keep(mismatch if node.format == "byte" else _wrong(node, value, place))
    return value


def _byte(value: Value, place: _Place, complaints: _Found) -> int:
    """Return an item of a list that stands for bytes."""
    if type(value) is int and 0 <= value <= _BYTE_MAX:
        return value
    if value is not None:
        complaints.keep(_wrong(Node(type="integer", format="uint8"), value, place))
    return 0


def _wrong(node: Node, value: Value, place: _Place) -> Mismatch:
    what = _what(value)
    if what == "number" and node.type == "integer":
        what = f"number {value}"
    into = f"struct field {place.struct}.{place.trail}" if place.struct else "value"
    wanted = go_type(node, place)
    return Mismatch(
        f"json: cannot unmarshal {what} into Go {into} of type {wanted}",
        _conversion(node, value, wanted),
    )


_KINDS: Final = {
    str: "string", bool: "bool", int: "int64", float: "float64", list: "slice", dict: "map",
}  # fmt: skip
_BASIC: Final = {"boolean": "bool", "number": "float64", "string": "string"}


def _conversion(node: Node, value: Value, wanted: str) -> str:
    """Return what the converter from decoded JSON says of a value of a wrong type."""
    found = next(name for kind, name in _KINDS.items() if isinstance(value, kind))
    if node.type == "object":
        if node.values is not None:
            return f"cannot restore map from {found}"
        return f"cannot restore struct from: {found}"
    if node.type == "array" or node.format == "byte":
        return f"cannot restore slice from {found}"
    if (found, node.type) in {("int64", "string"), ("float64", "integer")}:
        return f"cannot convert {found} to {wanted}"
    return f"unrecognized type: {_BASIC.get(node.type, wanted)}"


def _what(value: Value) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"


def go_type(node: Node, place: _Place | None = None) -> str:
    """Return Go's name for the type of a node, e.g. int32, []v1.Container, map[string]string."""
    node.resolve()
    if node.quantity:
        return "resource.Quantity"
    if node.int_or_string:
        return "intstr.IntOrString"
    if node.values is not None:
        if node.values.resolve().quantity:
            return "v1.ResourceList"
        return f"map[string]{go_type(node.values)}"
    if node.type == "array" and node.items is not None:
        return f"[]{go_type(node.items, place)}"
    if node.name:
        return ".".join(node.name.rsplit(".", 2)[1:])
    if node.format == "byte":
        return "[]uint8"
    if node.type == "string" and place is not None:
        return text_type(place.struct, place.trail.rpartition(".")[2])
    plain = {"boolean": "bool", "number": "float64", "integer": node.format or "int64"}
    return plain.get(node.type, node.type or "interface {}")
