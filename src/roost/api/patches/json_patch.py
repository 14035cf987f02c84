"""JSON patch (RFC 6902), as the real server applies it.

Its library differs from the RFC in places, and clients rely on that: `replace` of an absent member of
an object adds it, a value that is not given and a member that is copied and not there are null, what
a path has before its first slash does not count, negative indices count from the end, and the whole
document can be replaced and tested but not added, removed, moved or copied. Values shared
with the document are copied on the way to a change only, so the document stays as it was.
"""

from __future__ import annotations

from typing import Any

import msgspec

from roost.api.errors import BadRequest, Invalid, RequestEntityTooLarge
from roost.api.patches.merge_patch import TOO_DEEP
from roost.api.values import Object, Value

OPERATIONS_MAX = 10_000
#: A patch may not blow a document up: what all its `copy` copy, as JSON.
COPIED_MAX_BYTES = 3 * 1024 * 1024
_NOT_APPLICABLE = "the server rejected our request due to an error in our request"
_GO_NAMES = {dict: "object", list: "array", str: "string", bool: "bool", int: "number",
             float: "number"}  # fmt: skip


class _Failed(Exception):
    """An operation cannot be carried out."""


def _refused() -> Invalid:
    return Invalid(_NOT_APPLICABLE, {})


def _cannot_read(value: Value, wanted: str) -> BadRequest:
    kind = _GO_NAMES.get(type(value), "null")
    return BadRequest(
        f"error decoding patch: json: cannot unmarshal {kind} into Go value of type {wanted}"
    )


def apply_json_patch(document: Object, operations: Any) -> Object:
    """Return the patched document.

    Raises BadRequest for what is no list of operations, RequestEntityTooLarge for more than 10,000 of
    them, and Invalid where one cannot be applied (a failed `test` too).
    """
    if not isinstance(operations, list):
        raise _cannot_read(operations, "[]handlers.jsonPatchOp")
    if len(operations) > OPERATIONS_MAX:
        raise RequestEntityTooLarge(
            "Request entity too large: The allowed maximum operations in a JSON patch is "
            f"{OPERATIONS_MAX}, got {len(operations)}"
        )
    for operation in operations:
        if not isinstance(operation, dict):
            raise _cannot_read(operation, "handlers.jsonPatchOp")
    patch = _Patch(document)
    try:
        for operation in operations:
            patch.apply(operation)
    except _Failed:
        raise _refused() from None
    except RecursionError:
        raise BadRequest(TOO_DEEP) from None
    return patch.root


class _Patch:
    """A document under change; containers in `_owned` are private copies."""

    def __init__(self, document: Object) -> None:
        self.root = dict(document)
        self._owned: dict[int, Value] = {id(self.root): self.root}
        self._copied = 0

    def apply(self, operation: Object) -> None:
        name = operation.get("op")
        if operation.get("path") == "":
            self._apply_to_all(name, operation.get("value"))
            return
        path = _parts(operation.get("path"))
        if name == "add":
            self._add(path, operation.get("value"))
        elif name == "remove":
            self._remove(path)
        elif name == "replace":
            self._replace(path, operation.get("value"))
        elif name == "move":
            source = _parts(operation.get("from"))
            value = self._get(source)
            self._remove(source)
            self._add(path, value)
        elif name == "copy":
            value = self._copied_from(_parts(operation.get("from")))
            self._copied += len(msgspec.json.encode(value))
            if self._copied > COPIED_MAX_BYTES:
                raise _Failed
            self._disown(value)
            self._add(path, value)
        elif name == "test":
            if not _same(self._find(path), operation.get("value")):
                raise _Failed
        else:
            raise _Failed

    def _apply_to_all(self, name: Any, value: Value) -> None:
        """Carry out an operation on the document itself."""
        if name == "replace" and isinstance(value, dict):
            self.root = dict(value)
            self._owned = {id(self.root): self.root}
        elif name != "test" or not _same(self.root, value):
            raise _Failed

    def _disown(self, value: Value) -> None:
        """What is in two places may not be changed in place any more."""
        if isinstance(value, (dict, list)):
            self._owned.pop(id(value), None)
            for item in value.values() if isinstance(value, dict) else value:
                self._disown(item)

    def _own(self, container: Value, key: Any) -> Value:
        """Return the child as a private copy that stands in its place."""
        child = container[key]
        if not isinstance(child, (dict, list)):
            raise _Failed
        if id(child) not in self._owned:
            child = child.copy()
            self._owned[id(child)] = child
            container[key] = child
        return child

    def _container(self, path: list[str]) -> tuple[Value, str]:
        here: Value = self.root
        for part in path[:-1]:
            if isinstance(here, dict):
                if part not in here:
                    raise _Failed
                here = self._own(here, part)
            else:
                here = self._own(here, _index(here, part))
        return here, path[-1]

    def _find(self, path: list[str]) -> Value:
        here: Value = self.root
        for part in path:
            if isinstance(here, dict):
                here = here.get(part)
            elif isinstance(here, list):
                here = here[_index(here, part)]
            else:
                raise _Failed
        return here

    def _get(self, path: list[str]) -> Value:
        here: Value = self.root
        for part in path:
            if isinstance(here, dict) and part in here:
                here = here[part]
            elif isinstance(here, list):
                here = here[_index(here, part)]
            else:
                raise _Failed
        return here

    def _copied_from(self, path: list[str]) -> Value:
        container = self._get(path[:-1])
        return container.get(path[-1]) if isinstance(container, dict) else self._get(path)

    def _add(self, path: list[str], value: Value) -> None:
        container, key = self._container(path)
        if isinstance(container, dict):
            container[key] = value
        elif key == "-":
            container.append(value)
        else:
            index = _number(key)
            if index < 0:
                index += len(container) + 1
            if not 0 <= index <= len(container):
                raise _Failed
            container.insert(index, value)

    def _remove(self, path: list[str]) -> None:
        container, key = self._container(path)
        if isinstance(container, dict):
            if key not in container:
                raise _Failed
            del container[key]
        else:
            del container[_index(container, key)]

    def _replace(self, path: list[str], value: Value) -> None:
        container, key = self._container(path)
        if isinstance(container, dict):
            container[key] = value
        else:
            container[_index(container, key)] = value


def _parts(path: Any) -> list[str]:
    if not isinstance(path, str) or "/" not in path:
        raise _Failed
    return [part.replace("~1", "/").replace("~0", "~") for part in path.split("/")[1:]]


def _number(part: str) -> int:
    digits = part.removeprefix("-")
    if not digits.isascii() or not digits.isdigit() or len(digits) > 9:
        raise _Failed
    return int(part)


def _index(items: list[Value], part: str) -> int:
    index = _number(part)
    if index < 0:
        index += len(items)
    if not 0 <= index < len(items):
        raise _Failed
    return index


def _same(left: Value, right: Value) -> bool:
    """Compare as JSON does: true is not 1."""
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_same(left[k], right[k]) for k in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_same, left, right))
    return bool(left == right) and isinstance(left, bool) is isinstance(right, bool)
