"""Nodes of the built-in kinds, linked from the schema file when they are first looked into.

`node(name)` is cheap: the graph of a kind is read definition by definition as somebody walks it, and
definitions are shared by everything that refers to them (they may refer to themselves).
"""

from __future__ import annotations

from dataclasses import fields as dataclass_fields
from functools import cache

from roost.api.schema import document
from roost.api.schema.node import Node
from roost.api.values import Object

_QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
_INT_OR_STRING = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"
_META = "io.k8s.apimachinery.pkg.apis.meta.v1."
_TIMES = {_META + "Time", _META + "MicroTime"}
#: Objects whose contents are nobody's business here.
_OPEN = {_META + "FieldsV1", _META + "Patch", "io.k8s.apimachinery.pkg.runtime.RawExtension"}
#: Defaults that the OpenAPI v3 schemas state and the swagger document does not have. Server-side
#: apply needs those of list keys: two ports without a protocol are both TCP.
_DEFAULTS: dict[str, Object] = {
    "core.v1.ContainerPort": {"protocol": "TCP"},
    "core.v1.ServicePort": {"protocol": "TCP"},
    "core.v1.AzureDiskVolumeSource": {
        "cachingMode": "ReadWrite", "fsType": "ext4", "kind": "Shared", "readOnly": False,
    },
    "core.v1.ISCSIVolumeSource": {"iscsiInterface": "default"},
    "core.v1.ISCSIPersistentVolumeSource": {"iscsiInterface": "default"},
    "core.v1.RBDVolumeSource": {
        "pool": "rbd", "user": "admin", "keyring": "/etc/ceph/keyring",
    },
    "core.v1.RBDPersistentVolumeSource": {
        "pool": "rbd", "user": "admin", "keyring": "/etc/ceph/keyring",
    },
    "core.v1.ScaleIOVolumeSource": {"storageMode": "ThinProvisioned", "fsType": "xfs"},
    "core.v1.ScaleIOPersistentVolumeSource": {"storageMode": "ThinProvisioned", "fsType": "xfs"},
}  # fmt: skip
_COPIED = tuple(f.name for f in dataclass_fields(Node) if f.name not in {"link", "decoder"})
#: Keys of a schema that have a place of their own in a Node.
_PLACED = {
    "$ref", "type", "format", "properties", "additionalProperties", "items", "required", "default",
    "x-kubernetes-list-type", "x-kubernetes-list-map-keys", "x-kubernetes-map-type",
    "x-kubernetes-patch-merge-key", "x-kubernetes-patch-strategy",
}  # fmt: skip


@cache
def node(name: str) -> Node:
    """Return the node of a definition, e.g. io.k8s.api.core.v1.Pod, to be `resolve`d.

    Always the same one for the same name. Raises KeyError on resolve if there is no such definition.
    """
    made = Node(name=name)
    made.link = lambda: _fill(made, name)
    return made


def _fill(target: Node, name: str) -> None:
    schema = document.definition(name)
    _place(target, schema)
    target.name = name
    target.quantity = name == _QUANTITY
    target.int_or_string = name == _INT_OR_STRING
    target.time = name in _TIMES
    target.open = name in _OPEN or not target.type
    if target.int_or_string or target.quantity:
        target.type = ""
    for field, default in _DEFAULTS.get(name.removeprefix("io.k8s.api."), {}).items():
        target.fields[field].default = default


def _place(target: Node, schema: Object) -> None:
    """Fill a node with what a schema says itself."""
    target.type = schema.get("type", "")
    target.format = schema.get("format", "")
    if "properties" in schema:
        target.fields = {field: _of(inner) for field, inner in schema["properties"].items()}
    if "additionalProperties" in schema:
        target.values = _of(schema["additionalProperties"])
    if "items" in schema:
        target.items = _of(schema["items"])
    target.required = tuple(schema.get("required", ()))
    target.default = schema.get("default")
    _place_extensions(target, schema)


def _place_extensions(target: Node, schema: Object) -> None:
    target.list_type = schema.get("x-kubernetes-list-type", target.list_type)
    if "x-kubernetes-list-map-keys" in schema:
        target.list_keys = tuple(schema["x-kubernetes-list-map-keys"])
    if "x-kubernetes-map-type" in schema:
        target.atomic = schema["x-kubernetes-map-type"] == "atomic"
    target.merge_key = schema.get("x-kubernetes-patch-merge-key", target.merge_key)
    if "x-kubernetes-patch-strategy" in schema:
        target.merge_strategies = tuple(schema["x-kubernetes-patch-strategy"].split(","))
    rest = {key: value for key, value in schema.items() if key not in _PLACED}
    if rest:
        target.rules = {**target.rules, **rest}


def _of(schema: Object) -> Node:
    """Return the node of a schema inside a definition."""
    reference = schema.get("$ref")
    if reference is None:
        made = Node()
        _place(made, schema)
        return made
    definition = node(reference.removeprefix(document.REFERENCE))
    if len(schema) == 1:
        return definition
    made = Node(name=definition.name)
    made.link = lambda: _extend(made, definition, schema)
    return made


def _extend(target: Node, definition: Node, schema: Object) -> None:
    """Fill a node with a definition and with what the reference to it says beside."""
    definition.resolve()
    for name in _COPIED:
        setattr(target, name, getattr(definition, name))
    _place_extensions(target, schema)
