"""The static types of CEL: what the checker knows of an expression.

A type is a value; two are equal when they mean the same. An object type carries its fields, and a
type that was declared by a schema carries the largest size its values can have, which the estimate
of costs reads.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace


@dataclass(frozen=True, slots=True)
class Field:
    """One field of an object type; `key` is its name in JSON, which CEL may have to escape."""

    type: Type
    key: str


@dataclass(frozen=True, slots=True)
class Type:
    """`kind` is dyn, int, ..., list, map, optional_type, type, param, opaque or object; `name`
    tells the last three apart. `max_elements` bounds length or count where a schema does.
    """

    kind: str
    name: str = ""
    params: tuple[Type, ...] = ()
    fields: Mapping[str, Field] | None = field(default=None, compare=False, repr=False)
    max_elements: int | None = field(default=None, compare=False, repr=False)
    min_size: int = field(default=1, compare=False, repr=False)
    format: str = field(default="", compare=False, repr=False)
    dynamic: bool = field(default=False, compare=False, repr=False)

    def __str__(self) -> str:
        if self.params:
            return f"{self.name or self.kind}({', '.join(map(str, self.params))})"
        return self.name or self.kind

    def sized(self, max_elements: int | None, min_size: int = 1) -> Type:
        return replace(self, max_elements=max_elements, min_size=min_size)


DYN = Type("dyn")
ANY = Type("any")
BOOL = Type("bool")
INT = Type("int")
UINT = Type("uint")
DOUBLE = Type("double")
STRING = Type("string")
BYTES = Type("bytes")
NULL = Type("null")
TIMESTAMP = Type("timestamp")
DURATION = Type("duration")
ERROR = Type("error")


def list_of(element: Type) -> Type:
    return Type("list", params=(element,))


def map_of(key: Type, value: Type) -> Type:
    return Type("map", params=(key, value))


def optional_of(inner: Type) -> Type:
    return Type("optional_type", params=(inner,))


def type_of(inner: Type) -> Type:
    return Type("type", params=(inner,))


def opaque(name: str) -> Type:
    return Type("opaque", name)


def param(name: str) -> Type:
    return Type("param", name)


def object_of(name: str, fields: Mapping[str, Field], *, dynamic: bool = False) -> Type:
    """A structure; `dynamic` ones may be built by an expression, and accept any field."""
    return Type("object", name, fields=fields, dynamic=dynamic)


LIST = list_of(DYN)
MAP = map_of(DYN, DYN)


_RUN_TIME_NAMES = {
    "null": "null_type",
    "timestamp": "google.protobuf.Timestamp",
    "duration": "google.protobuf.Duration",
}


def run_time_name(of: Type) -> str:
    """Return what values of a type call it."""
    return _RUN_TIME_NAMES.get(of.kind, of.name or of.kind)


def is_dyn(of: Type) -> bool:
    return of.kind in ("dyn", "any", "error")
