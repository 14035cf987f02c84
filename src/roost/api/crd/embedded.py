"""Objects in objects (`x-kubernetes-embedded-resource`): they say what they are, and have metadata."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from roost.api import names
from roost.api.schema.decode import decode
from roost.api.schema.node import Node
from roost.api.schema.scalars import Mismatch
from roost.api.validation import metadata
from roost.api.validation.causes import Causes
from roost.api.values import Object

_EMPTY, _NO_TEXT = "must not be empty", "must be a string"


def has_embedded(node: Node) -> bool:
    """Is anything in the schema an object of its own?"""
    parts = (*node.fields.values(), node.values, node.items)
    return node.embedded or any(part is not None and has_embedded(part) for part in parts)


def coerce_embedded(node: Node, value: Any, path: str, complaints: list[str]) -> None:
    """Make the metadata of every object in an object, in place, as typed as that of any object.

    Complaints are those of decoding. Raises Mismatch, with the words of the real server, where what an
    object says it is is no text, or its metadata is none.
    """
    if isinstance(value, dict):
        if node.embedded and path:
            _coerce(node, value, path, complaints)
        for name, item in value.items():
            inner, where = node.fields.get(name), f"{path}.{name}" if path else name
            if inner is not None:
                coerce_embedded(inner, item, where, complaints)
            elif node.values is not None:
                coerce_embedded(node.values, item, f"{path}[{name}]", complaints)
    elif isinstance(value, list) and node.items is not None:
        for index, item in enumerate(value):
            coerce_embedded(node.items, item, f"{path}[{index}]", complaints)


def _coerce(node: Node, value: Object, path: str, complaints: list[str]) -> None:
    for key in ("apiVersion", "kind"):
        if key in value and not isinstance(value[key], str):
            raise _mismatch(f"{path}.{key}", value[key], _NO_TEXT)
    if "metadata" not in value:
        return
    where = f"{path}.metadata"
    try:
        decoded, more = decode(node.fields["metadata"], value["metadata"])
    except Mismatch as error:
        raise _mismatch(where, value["metadata"], str(error)) from None
    value["metadata"] = decoded
    complaints.extend(complaint_below(where, text) for text in more)


def _mismatch(path: str, value: Any, detail: str) -> Mismatch:
    causes = Causes()
    causes.invalid(path, value, detail)
    return Mismatch(f"{path}: {causes[0].message}")


def complaint_below(path: str, complaint: str) -> str:
    """Return a complaint of decoding about a part as one about the whole: `unknown field "path.x"`."""
    start, quote, rest = complaint.partition('"')
    return f"{start}{quote}{path}.{rest}"


def check_embedded(node: Node, value: Any, path: str, causes: Causes) -> None:
    """Complain about what every object in an object lacks."""
    if isinstance(value, dict):
        if node.embedded and path:
            _check(value, path, causes)
        for name, item in sorted(value.items()):
            inner, where = node.fields.get(name), f"{path}.{name}" if path else name
            if inner is not None:
                check_embedded(inner, item, where, causes)
            elif node.values is not None:
                check_embedded(node.values, item, f"{path}[{name}]", causes)
    elif isinstance(value, list) and node.items is not None:
        for index, item in enumerate(value):
            check_embedded(node.items, item, f"{path}[{index}]", causes)


def _check(value: Object, path: str, causes: Causes) -> None:
    for key in ("apiVersion", "kind"):
        if key not in value:
            causes.required(f"{path}.{key}", _EMPTY)
    for key, item in sorted(value.items()):
        where = f"{path}.{key}"
        if key in ("apiVersion", "kind"):
            fault = _NO_TEXT if not isinstance(item, str) else "" if item else _EMPTY
            fault = fault or (_version_fault(item) if key == "apiVersion" else _kind_fault(item))
            if fault:
                causes.invalid(where, item, fault)
        elif key == "metadata" and isinstance(item, dict):
            found = Causes()
            meta = {**item, "name": item.get("name") or "fakename"}
            namespaced = bool(item.get("namespace"))
            metadata.on_create(
                meta, found, namespaced=namespaced, name_rule="path", strict_finalizers=False
            )
            causes.extend(replace(cause, field=f"{path}.{cause.field}") for cause in found)


def _version_fault(text: str) -> str:
    return f"unexpected GroupVersion string: {text}" if text.count("/") > 1 else ""


def _kind_fault(text: str) -> str:
    faults = names.check_label_1035(text.lower())
    return f"may have mixed case, but should otherwise match: {','.join(faults)}" if faults else ""
