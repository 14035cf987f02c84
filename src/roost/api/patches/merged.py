"""Checks an applied configuration against its schema, and merges it into the live value.

The merge keeps what the configuration does not mention. Items of a keyed list come in the order of
the configuration, with the others where they were among them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from roost.api.patches.fields import element_text
from roost.api.patches.structs import key_default
from roost.api.patches.typed import (
    ANY,
    element_of,
    elements_of,
    is_atomic,
    is_keyed,
    items_of,
)
from roost.api.schema.node import Node
from roost.api.values import Object, Value

_NUMERIC = {"integer", "number"}


def faults_of(node: Node, value: Value, path: str = "") -> Iterator[str]:
    """Yield what is wrong with the shape of a configuration, in the real server's words."""
    node = node.resolve()
    if value is None:
        return
    if isinstance(value, dict):
        if node.type and node.type != "object":
            yield _mismatch(node, value, path)
        elif node.fields or node.values is not None:
            yield from _map_faults(node, value, path)
    elif isinstance(value, list):
        if node.type and node.type != "array":
            yield _mismatch(node, value, path)
        elif node.items is not None:
            yield from _list_faults(node, value, path)
    elif node.type in {"object", "array"} or _wrong_scalar(node, value):
        yield _mismatch(node, value, path)


def _wrong_scalar(node: Node, value: Value) -> bool:
    if not node.type or node.int_or_string or node.quantity or node.time:
        return False
    if node.type in _NUMERIC:
        return isinstance(value, bool) or not isinstance(value, (int, float))
    if node.type == "boolean":
        return not isinstance(value, bool)
    return node.type == "string" and not isinstance(value, str)


def _map_faults(node: Node, value: Object, path: str) -> Iterator[str]:
    for key, item in value.items():
        here = f"{path}.{key}"
        child = node.fields.get(key) or node.values
        if child is not None:
            yield from faults_of(child, item, here)
        elif not node.open:
            yield f"{here}: field not declared in schema"


def _list_faults(node: Node, value: list[Value], path: str) -> Iterator[str]:
    items = items_of(node)
    if not is_keyed(node):
        for index, item in enumerate(value):
            yield from faults_of(items, item, f"{path}[{index}]")
        return
    seen: set[str] = set()
    for index, item in enumerate(value):
        fault = _item_fault(node, items, item)
        if fault:
            yield f"{path}: element {index}: {fault}"
            continue
        element = element_of(node, item)
        if element in seen:
            yield f"{path}: duplicate entries for key {element_text(element)}"
        seen.add(element)
        yield from faults_of(items, item, path + element_text(element))


def _item_fault(node: Node, items: Node, item: Value) -> str:
    """Return why an item cannot be told from others; "" if it can."""
    if node.list_type == "set":
        if isinstance(item, dict):
            return "associative list without keys has an element that's a map type"
        if isinstance(item, list):
            return "not supported: associative list with lists as elements"
        return "associative list without keys has an element that's an explicit null" * (
            item is None
        )
    if item is None:
        return "associative list with keys may not have a null element"
    if not isinstance(item, dict):
        return "associative list with keys may not have non-map elements"
    for key in node.list_keys:
        if item.get(key) is None and key_default(items, key) is None:
            return (
                f'associative list with keys has an element that omits key field "{key}" '
                "(and doesn't have default value)"
            )
    return ""


def _mismatch(node: Node, value: Value, path: str) -> str:
    if node.type in _NUMERIC:
        return f"{path}: expected numeric (int or float), got {_go_type(value)}"
    if node.type == "string":
        return f"{path}: expected string, got &value.valueUnstructured{{Value:{_go_syntax(value)}}}"
    wanted = {"object": "map", "array": "list"}.get(node.type, node.type)
    return f"{path}: expected {wanted}, got &{{{_go_plain(value)}}}"


def _go_type(value: Value) -> str:
    names = {str: "string", bool: "bool", list: "[]interface {}", dict: "map[string]interface {}"}
    return names.get(type(value), "float64")


def _go_plain(value: Value) -> str:
    if isinstance(value, dict):
        return "map[" + " ".join(f"{key}:{_go_plain(value[key])}" for key in sorted(value)) + "]"
    if isinstance(value, list):
        return "[" + " ".join(map(_go_plain, value)) + "]"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _go_syntax(value: Value) -> str:
    if isinstance(value, dict):
        inside = ", ".join(f'"{key}":{_go_syntax(value[key])}' for key in sorted(value))
        return f"map[string]interface {{}}{{{inside}}}"
    if isinstance(value, list):
        return "[]interface {}{" + ", ".join(map(_go_syntax, value)) + "}"
    return str(value).lower() if isinstance(value, bool) else str(value)


_NOTHING: Any = object()


def merge(node: Node, live: Value, config: Value) -> Value:
    """Return the live value with a configuration merged in. Neither is changed."""
    node = node.resolve()
    if _is_leaf(node, live, config):
        return config
    if isinstance(config, dict) or isinstance(live, dict):
        return _merged_map(node, live or {}, config or {})
    return _merged_list(node, live or [], config or [])


def _is_leaf(node: Node, live: Value, config: Value) -> bool:
    if not live and not config:
        return True
    if isinstance(config, dict):
        return is_atomic(node) or not (live is None or isinstance(live, dict))
    if isinstance(config, list):
        return not is_keyed(node) or not (live is None or isinstance(live, list))
    if config is None:
        # A null for a map or a keyed list leaves what is there.
        if isinstance(live, dict):
            return is_atomic(node)
        return not (isinstance(live, list) and is_keyed(node))
    return True


def _merged_map(node: Node, live: Object, config: Object) -> Object:
    out = dict(live)
    for key, item in config.items():
        child = node.fields.get(key) or node.values or ANY
        out[key] = merge(child, live.get(key), item)
    return out


def _merged_list(node: Node, live: list[Value], config: list[Value]) -> list[Value]:
    items = items_of(node)
    right = elements_of(node, config)
    left: dict[str, list[Value]] = {}
    for item in live:
        left.setdefault(element_of(node, item), []).append(item)
    out: list[Value] = []
    for element in _order(list(left), list(right)):
        have, wanted = left.get(element, []), right.get(element, _NOTHING)
        if wanted is _NOTHING:
            out.extend(have)
        elif len(have) == 1:
            out.append(merge(items, have[0], wanted))
        else:  # duplicates are replaced, not merged with
            out.append(wanted)
    return out


def _order(left: list[str], right: list[str]) -> list[str]:
    """Interleave: shared elements as on the right, those of the left where they were among them."""
    on_left, on_right = set(left), set(right)
    shared = iter([element for element in right if element in on_left])
    awaited = next(shared, None)
    out: list[str] = []
    i = j = 0
    while i < len(left) or j < len(right):
        if i < len(left) and j < len(right):
            if left[i] == right[j]:
                out.append(left[i])
                i += 1
                j += 1
                awaited = next(shared, None)
                continue
            if left[i] in on_right and awaited is not None and awaited != left[i]:
                i += 1  # shared, but another one comes first
                continue
        if i < len(left) and left[i] not in on_right:
            out.append(left[i])
            i += 1
            continue
        if j < len(right):
            out.append(right[j])
            if awaited == right[j]:
                awaited = next(shared, None)
            j += 1
        else:
            i += 1  # shared, and already put out
    return out
