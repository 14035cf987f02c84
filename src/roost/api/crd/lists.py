"""The promise of lists: elements of a set, and keys of an associative list, are there once."""

from __future__ import annotations

from typing import Any

import msgspec

from roost.api.schema.node import Node
from roost.api.validation.causes import Causes

_encode = msgspec.json.Encoder(order="deterministic").encode


def has_promises(node: Node) -> bool:
    """Does anything in the schema promise uniqueness?"""
    if node.type == "array" and node.list_type in ("set", "map"):
        return True
    parts = [*node.fields.items(), ("", node.values), ("", node.items)]
    return any(
        part is not None and name != "metadata" and has_promises(part) for name, part in parts
    )


def check_lists(node: Node, value: Any, path: str, causes: Causes) -> None:
    """Complain about every element that is there before."""
    if isinstance(value, dict):
        for name, item in value.items():
            inner, where = node.fields.get(name), f"{path}.{name}" if path else name
            if inner is None:
                inner, where = node.values, f"{path}[{name}]"
            if inner is not None and (path or name != "metadata"):
                check_lists(inner, item, where, causes)
    elif isinstance(value, list):
        if node.list_type in ("set", "map"):
            _check_unique(node, value, path, causes)
        if node.items is not None:
            for index, item in enumerate(value):
                check_lists(node.items, item, f"{path}[{index}]", causes)


def _check_unique(node: Node, value: list[Any], path: str, causes: Causes) -> None:
    seen: set[bytes] = set()
    reported: set[bytes] = set()
    for index, item in enumerate(value):
        shown = item
        if node.list_type == "map":
            if not isinstance(item, dict):
                continue
            shown = {key: item.get(key) for key in node.list_keys if key in item}
        mark = _encode(shown)
        if mark in seen and mark not in reported:
            causes.duplicate(f"{path}[{index}]", shown)
            reported.add(mark)
        seen.add(mark)
