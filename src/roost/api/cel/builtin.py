"""Types of the built-in kinds, as far as an expression walks into them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from roost.api.cel.types import (
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
from roost.api.schema.node import Node

_KEYWORDS = frozenset(
    ("true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function",
     "if", "import", "let", "loop", "package", "namespace", "return", "var", "void", "while")
)  # fmt: skip
_SIGNS = (("__", "__underscores__"), (".", "__dot__"), ("-", "__dash__"), ("/", "__slash__"))
_FORMATS = {"byte": BYTES, "duration": DURATION, "date": TIMESTAMP, "date-time": TIMESTAMP}
_SCALARS = {"boolean": BOOL, "number": DOUBLE, "integer": INT}


def type_of_node(node: Node, name: str) -> Type | None:
    """Return the type of what a node describes, None where nothing is known of it.

    Fields are looked into when an expression names them: schemas may contain themselves.
    """
    node = node.resolve()
    if node.int_or_string or node.quantity:
        return DYN
    if node.time:
        return TIMESTAMP
    if node.type == "array":
        inner = None if node.items is None else type_of_node(node.items, f"{name}.@idx")
        return None if inner is None else list_of(inner)
    if node.type == "object" or node.fields:
        if node.values is not None:
            inner = type_of_node(node.values, f"{name}.@elem")
            return None if inner is None else map_of(STRING, inner)
        return object_of(name, _Fields(node, name))
    if node.type == "string":
        return _FORMATS.get(node.format, STRING)
    return _SCALARS.get(node.type)


class _Fields(Mapping[str, Field]):
    """The fields of an object by the names that expressions use."""

    def __init__(self, node: Node, name: str) -> None:
        self._node = node
        self._name = name
        self._keys = {_escaped(key): key for key in node.fields}
        self._found: dict[str, Field] = {}

    def __getitem__(self, name: str) -> Field:
        found = self._found.get(name)
        if found is None:
            key = self._keys[name]
            of = type_of_node(self._node.fields[key], f"{self._name}.{key}")
            if of is None:
                raise KeyError(name)
            found = self._found[name] = Field(of, key)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)


def _escaped(key: str) -> str:
    if key in _KEYWORDS:
        return f"__{key}__"
    for sign, word in _SIGNS:
        key = key.replace(sign, word)
    return key
