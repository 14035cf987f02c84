"""The schema of a definition as a graph of nodes: what pruning, defaulting and merging walk."""

from __future__ import annotations

from roost.api.schema.node import Node
from roost.api.schema.nodes import node
from roost.api.values import Object

_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
_PLACED = frozenset(
    [
        "type",
        "format",
        "properties",
        "additionalProperties",
        "items",
        "required",
        "default",
        "nullable",
    ]
)


def root_node(group: str, version: str, kind: str, schema: Object) -> Node:
    """Return the node of a whole object of a custom resource."""
    made = node_of(schema)
    made.type = "object"
    _object_fields(made)
    made.rules["x-kubernetes-group-version-kind"] = [
        {"group": group, "version": version, "kind": kind}
    ]
    return made


def _object_fields(made: Node) -> None:
    """Give a node what every object has, whatever its schema says of it."""
    made.fields = {
        **made.fields,
        "apiVersion": Node(type="string"),
        "kind": Node(type="string"),
        "metadata": node(_META),
    }


def node_of(schema: Object) -> Node:
    """Return the node of a schema in a definition."""
    made = Node(
        type=schema.get("type") or "",
        format=schema.get("format") or "",
        fields={name: node_of(inner) for name, inner in (schema.get("properties") or {}).items()},
        list_type=schema.get("x-kubernetes-list-type") or "atomic",
        list_keys=tuple(schema.get("x-kubernetes-list-map-keys") or ()),
        atomic=schema.get("x-kubernetes-map-type") == "atomic",
        int_or_string=bool(schema.get("x-kubernetes-int-or-string")),
        open=bool(schema.get("x-kubernetes-preserve-unknown-fields")),
        embedded=bool(schema.get("x-kubernetes-embedded-resource")),
        nullable=bool(schema.get("nullable")),
        required=tuple(schema.get("required") or ()),
        default=schema.get("default"),
        rules={key: value for key, value in schema.items() if key not in _PLACED},
    )
    values = schema.get("additionalProperties")
    if isinstance(values, dict):
        made.values = node_of(values)
    elif values is True:
        made.open = True
    items = schema.get("items")
    if isinstance(items, dict):
        made.items = node_of(items)
    if made.embedded:
        _object_fields(made)
    return made
