"""JSON patch (RFC 6902), as the real server applies it.

Its library differs from the RFC in places, and clients rely on that: `replace` of an absent member of
an object adds it, a value that is not given and a member that is copied and not there are null, what
a path has before its first slash does not count, negative indices count from the end, and the whole
document can be replaced and tested but not added, removed, moved or copied. A `test` compares how
values are written, so 1.0 is not 1, and a text with `<` is equal only if that is escaped. Values shared
with the document are copied on the way to a change only, so the document stays as it was.
"""

from __future__ import annotations

from typing import Any

import msgspec

from roost.api.errors import BadRequest, Invalid, RequestEntityTooLarge
from roost.api.jsontext import scalar_text
from roost.api.patches.merge_patch import TOO_DEEP
from roost.api.values import Object, Value

OPERATIONS_MAX = 10_000
#: A patch may not blow a document up: what all its `copy` copy, as JSON.
COPIED_MAX_BYTES = 3 * 1024 * 1024
_NOT_APPLICABLE = "the server rejected our request due to an error in our request"
_MISSING, _INVALID_INDEX = "missing value", "invalid index referenced"
_DIGITS_MAX = 18
_GO_NAMES = {dict: "object", list: "array", str: "string", bool: "bool", int: "number",
             float: "number"}  # fmt: skip


class Inapplicable(Exception):
    """An operation cannot be carried out; the text is what the real server's library says."""


class FailedTest(Inapplicable):
    """A value is not the one that a `test` wants."""


class _Lost(Exception):
    """There is nothing where a path leads, or nothing that has parts."""


class _BadPart(Exception):
    """The last part of a path names nothing; the text says why."""


def _cannot_read(value: Value, strict: str, wanted: str, *, lenient: bool) -> BadRequest:
    kind = _GO_NAMES.get(type(value), "object")
    what = f"json: cannot unmarshal {kind} into Go value of type"
    return BadRequest(
        f"{what} jsonpatch.{wanted}" if lenient else f"error decoding patch: {what} {strict}"
    )


def with_texts(body: bytes, operations: Any) -> Any:
    """Return the operations of a patch with the values of tests as they stand in its text."""
    if not isinstance(operations, list) or b"test" not in body:
        return operations
    try:
        texts = msgspec.json.decode(body, type=list[dict[str, msgspec.Raw] | None])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return operations
    return [
        {**operation, "value": text["value"]}
        if text and "value" in text and operation.get("op") == "test"
        else operation
        for operation, text in zip(operations, texts, strict=True)
    ]


def apply_json_patch(document: Object, operations: Any, *, lenient: bool = False) -> Value:
    """Return the patched document; it is a list where that has replaced all of it.

    Raises BadRequest for what is no list of operations, RequestEntityTooLarge for more than 10,000 of
    them, and Invalid where one cannot be applied (a failed `test` too). `lenient`: the patch was
    read without a look for unknown fields; that has words of its own.
    """
    if not isinstance(operations, list):
        raise _cannot_read(operations, "[]handlers.jsonPatchOp", "Patch", lenient=lenient)
    for operation in operations:
        if not isinstance(operation, dict | None):
            raise _cannot_read(operation, "handlers.jsonPatchOp", "Operation", lenient=lenient)
    if len(operations) > OPERATIONS_MAX:
        raise RequestEntityTooLarge(
            "Request entity too large: The allowed maximum operations in a JSON patch is "
            f"{OPERATIONS_MAX}, got {len(operations)}"
        )
    try:
        return _patched(document, operations)
    except Inapplicable:
        raise Invalid(_NOT_APPLICABLE, {}) from None


def patch_document(document: Object, operations: list[Any]) -> Object:
    """Return the patched document. Raises BadRequest for what is no operation, Inapplicable where one
    cannot be carried out or leaves no object, FailedTest where that is a test that fails.

    The value of a `test` may be the text of one.
    """
    for operation in operations:
        if not isinstance(operation, dict | None):
            raise _cannot_read(operation, "handlers.jsonPatchOp", "Operation", lenient=True)
    patched = _patched(document, operations)
    if not isinstance(patched, dict):
        raise Inapplicable(
            "json: cannot unmarshal array into Go value of type map[string]interface {}"
        )
    return patched


def _patched(document: Object, operations: list[Any]) -> Value:
    patch = _Patch(document)
    try:
        for operation in operations:
            patch.apply(operation or {})
    except RecursionError:
        raise BadRequest(TOO_DEEP) from None
    return patch.root


class _Patch:
    """A document under change; containers in `_owned` are private copies."""

    def __init__(self, document: Object) -> None:
        self.root: Value = dict(document)
        self._owned: dict[int, Value] = {id(self.root): self.root}
        self._copied = 0

    def apply(self, operation: Object) -> None:
        name = operation.get("op")
        carry_out = {
            "add": self._add, "remove": self._remove, "replace": self._replace,
            "move": self._move, "copy": self._copy, "test": self._test,
        }.get(name if isinstance(name, str) else "")  # fmt: skip
        if carry_out is None:
            raise Inapplicable(f"Unexpected kind: {name if isinstance(name, str) else 'unknown'}")
        carry_out(operation)

    def _add(self, operation: Object) -> None:
        path = _text(operation, "path")
        try:
            self._put(_parts(path), operation.get("value"))
        except _Lost:
            text = f'add operation does not apply: doc is missing path: "{path}"'
            raise _missing(text) from None
        except _BadPart as error:
            raise Inapplicable(f"error in add for path: '{path}': {error}") from None

    def _remove(self, operation: Object) -> None:
        path = _text(operation, "path")
        try:
            self._take(_parts(path))
        except _Lost:
            text = f'remove operation does not apply: doc is missing path: "{path}"'
            raise _missing(text) from None
        except _BadPart as error:
            raise Inapplicable(f"error in remove for path: '{path}': {error}") from None

    def _replace(self, operation: Object) -> None:
        path, value = _text(operation, "path"), operation.get("value")
        if path == "" and isinstance(value, dict | list):
            self.root = value.copy()
            self._owned = {id(self.root): self.root}
            return
        if path == "":
            raise Inapplicable("replace operation value must be object or array: %!w(<nil>)")
        try:
            container, key = self._container(_parts(path))
            container[key if isinstance(container, dict) else _index(container, key)] = value
        except _Lost:
            text = f"replace operation does not apply: doc is missing path: {path}"
            raise _missing(text) from None
        except _BadPart:
            text = f"replace operation does not apply: doc is missing key: {path}"
            raise _missing(text) from None

    def _move(self, operation: Object) -> None:
        source = _text(operation, "from")
        try:
            value = self._take(_parts(source))
        except _Lost:
            text = f"move operation does not apply: doc is missing from path: {source}"
            raise _missing(text) from None
        except _BadPart as error:
            key = _parts(source)[-1]
            raise Inapplicable(f"error in move for path: '{key}': {error}") from None
        path = _text(operation, "path")
        self._put_at(path, value, "move", f"error in move for path: '{path}'")

    def _copy(self, operation: Object) -> None:
        source = _text(operation, "from")
        try:
            value = self._find(_parts(source))
        except _Lost:
            text = f"copy operation does not apply: doc is missing from path: {source}"
            raise _missing(text) from None
        except _BadPart as error:
            raise Inapplicable(f"error in copy for from: '{source}': {error}") from None
        self._copied += len(msgspec.json.encode(value))
        if self._copied > COPIED_MAX_BYTES:
            raise Inapplicable(
                f"Unable to complete the copy, the accumulated size increase of copy is "
                f"{self._copied}, exceeding the limit {COPIED_MAX_BYTES}"
            )
        self._disown(value)
        self._put_at(
            _text(operation, "path"), value, "copy", "error while adding value during copy"
        )

    def _put_at(self, path: str, value: Value, name: str, trouble: str) -> None:
        """Put what is moved or copied where it goes."""
        try:
            self._put(_parts(path), value)
        except _Lost:
            text = f"{name} operation does not apply: doc is missing destination path: {path}"
            raise _missing(text) from None
        except _BadPart as error:
            raise Inapplicable(f"{trouble}: {error}") from None

    def _test(self, operation: Object) -> None:
        path = _text(operation, "path")
        try:
            found = self.root if path == "" else self._find(_parts(path))
        except _Lost:
            raise _missing(f"test operation does not apply: is missing path: {path}") from None
        except _BadPart as error:
            raise Inapplicable(f"error in test for path: '{path}': {error}") from None
        if not _same(found, operation.get("value")):
            raise FailedTest(f"testing value {path} failed: test failed")

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
            raise _Lost
        if id(child) not in self._owned:
            child = child.copy()
            self._owned[id(child)] = child
            container[key] = child
        return child

    def _container(self, path: list[str]) -> tuple[Value, str]:
        """Return the owned container that a path leads to, and the part that is a key in it."""
        here: Value = self.root
        for part in path[:-1]:
            try:
                key = part if isinstance(here, dict) else _index(here, part)
            except _BadPart:
                raise _Lost from None
            if isinstance(here, dict) and part not in here:
                raise _Lost
            here = self._own(here, key)
        return here, path[-1]

    def _find(self, path: list[str]) -> Value:
        """Return what is at a path, None for a member of an object that is not there."""
        container, key = self._container(path)
        return (
            container.get(key) if isinstance(container, dict) else container[_index(container, key)]
        )

    def _put(self, path: list[str], value: Value) -> None:
        container, key = self._container(path)
        if isinstance(container, dict):
            container[key] = value
        elif key == "-":
            container.append(value)
        else:
            try:
                number = _number(key)
            except _BadPart as error:
                raise _BadPart(f"value was not a proper array index: '{key}': {error}") from None
            index = number + len(container) + 1 if number < 0 else number
            if not 0 <= index <= len(container):
                raise _BadPart(f"Unable to access invalid index: {number}: {_INVALID_INDEX}")
            container.insert(index, value)

    def _take(self, path: list[str]) -> Value:
        """Remove what is at a path, and return it."""
        container, key = self._container(path)
        if isinstance(container, list):
            return container.pop(_index(container, key))
        if key not in container:
            raise _BadPart(f"Unable to remove nonexistent key: {key}: {_MISSING}")
        return container.pop(key)


def _missing(text: str) -> Inapplicable:
    return Inapplicable(f"{text}: {_MISSING}")


def _text(operation: Object, key: str) -> str:
    value = operation.get(key)
    if not isinstance(value, str):
        raise _missing(f"{operation.get('op')} operation failed to decode {key}")
    return value


def _parts(path: str) -> list[str]:
    if "/" not in path:
        raise _Lost
    return [part.replace("~1", "/").replace("~0", "~") for part in path.split("/")[1:]]


def _number(part: str) -> int:
    digits = part[1:] if part[:1] in ("-", "+") else part
    if not digits.isascii() or not digits.isdigit():
        raise _BadPart(f'strconv.Atoi: parsing "{part}": invalid syntax')
    if len(digits) > _DIGITS_MAX:
        raise _BadPart(f'strconv.Atoi: parsing "{part}": value out of range')
    return int(part)


def _index(items: list[Value], part: str) -> int:
    number = _number(part)
    index = number + len(items) if number < 0 else number
    if not 0 <= index < len(items):
        raise _BadPart(f"Unable to access invalid index: {number}: {_INVALID_INDEX}")
    return index


def _same(found: Value, wanted: Value) -> bool:
    """Is what stands in a document written like what a test wants, or like the text that it wants?"""
    if isinstance(wanted, msgspec.Raw):
        return _reads(found, wanted)
    if isinstance(found, dict) and isinstance(wanted, dict):
        return found.keys() == wanted.keys() and all(_same(found[k], wanted[k]) for k in found)
    if isinstance(found, list) and isinstance(wanted, list):
        return len(found) == len(wanted) and all(map(_same, found, wanted))
    if isinstance(found, dict | list) or isinstance(wanted, dict | list):
        return False
    return scalar_text(found) == scalar_text(wanted)


def _reads(found: Value, text: msgspec.Raw) -> bool:
    """Is a value written like a text? Space does not count between values."""
    if isinstance(found, dict | list):
        kind: Any = dict[str, msgspec.Raw] if isinstance(found, dict) else list[msgspec.Raw]
        try:
            return _same(found, msgspec.json.decode(text, type=kind))
        except msgspec.ValidationError:
            return False
    return scalar_text(found) == bytes(text).strip()
