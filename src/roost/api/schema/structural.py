"""What a structural schema does to an object that has no Go type: prune and default.

These are for custom resources. Unlike typed decoding, an unknown field is dropped wherever the schema
does not keep it, values of a wrong type stay (validation refuses them), and zeros stay.
"""

from __future__ import annotations

from roost.api.schema.node import Node
from roost.api.schema.strict import MAX_COMPLAINTS, Pairs
from roost.api.values import Object, Value, copy_of

#: What every object and embedded object has, whether its schema says so or not.
_OBJECT_FIELDS = ("apiVersion", "kind", "metadata")


def prune_object(node: Node, obj: Object) -> tuple[Object, list[str]]:
    """Return a copy of a custom object without what its schema does not know, and what that was.

    `apiVersion`, `kind` and `metadata` of the object are the caller's. Complaints are
    `unknown field "spec.foo"`, and `duplicate field ...` if the body was read with its duplicates.
    """
    complaints: list[str] = []
    pruned = _prune_fields(node.resolve(), obj, "", complaints, is_object=True)
    return pruned, sorted(complaints)[:MAX_COMPLAINTS]


def _prune(node: Node, value: Value, path: str, complaints: list[str]) -> Value:
    node.resolve()
    if isinstance(value, list):
        items = node.items or Node(open=True)
        return [_prune(items, v, f"{path}[{i}]", complaints) for i, v in enumerate(value)]
    if isinstance(value, dict):
        return _prune_fields(node, value, path, complaints, is_object=node.embedded)
    return value


def _prune_fields(
    node: Node, value: Object, path: str, complaints: list[str], *, is_object: bool
) -> Object:
    duplicates = value.duplicates if isinstance(value, Pairs) else ()
    pruned: Object = {}
    for name, item in value.items():
        inner = f"{path}.{name}" if path else name
        complaints.extend(f'duplicate field "{inner}"' for one in duplicates if one == name)
        if is_object and name in _OBJECT_FIELDS:
            pruned[name] = copy_of(item)
            continue
        field = node.fields.get(name) or node.values
        if field is not None:
            pruned[name] = _prune(field, item, inner, complaints)
        elif node.open:
            pruned[name] = copy_of(item)
        else:
            complaints.append(f'unknown field "{inner}"')
    return pruned


def default_object(node: Node, value: Value) -> None:
    """Fill in, in place, the defaults that a schema states.

    A field that is absent gets its default; so does one that is null and may not be. A null that may
    not be and has no default is dropped.
    """
    node.resolve()
    if isinstance(value, list):
        if node.items is not None:
            for index, item in enumerate(value):
                if item is None and _refuses_null(node.items) and node.items.default is not None:
                    value[index] = copy_of(node.items.default)
                default_object(node.items, value[index])
    elif isinstance(value, dict):
        _default_fields(node, value)


def _default_fields(node: Node, value: Object) -> None:
    for name, field in node.fields.items():
        if name in value and not (value[name] is None and _refuses_null(field)):
            continue
        if field.resolve().default is not None:
            value[name] = copy_of(field.default)
        else:
            value.pop(name, None)
    for name, item in value.items():
        inner = node.fields.get(name) or node.values
        if inner is None:
            continue
        if item is None and _refuses_null(inner) and inner.default is not None:
            value[name] = copy_of(inner.default)
        default_object(inner, value[name])


def _refuses_null(node: Node) -> bool:
    node.resolve()
    return not node.nullable
