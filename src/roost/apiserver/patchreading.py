"""Patch documents as they are read: their value, and what a strict reader complains of.

The forms differ in how they complain: of a strategic patch the decoder's own words stand alone, what is
wrong with an operation of a JSON patch begins with `json patch`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from roost.api.errors import BadRequest
from roost.api.patches.json_patch import with_texts
from roost.api.schema import yaml
from roost.api.schema.body import Malformed, read_with_duplicates
from roost.api.schema.strict import Pairs
from roost.api.values import Object, Value

JSON_PATCH: Final = "application/json-patch+json"
MERGE_PATCH: Final = "application/merge-patch+json"
STRATEGIC_PATCH: Final = "application/strategic-merge-patch+json"
APPLY_PATCH: Final = "application/apply-patch+yaml"
_GO_MAP: Final = "map[string]interface {}"
_GO_NAMES: Final = {dict: "object", list: "array", str: "string", bool: "bool"}
#: The fields of an operation; all but the value are texts.
_OPERATION: Final = ("op", "path", "from", "value")


def read_patch(media: str, body: bytes, *, lenient: bool = False) -> tuple[Value, list[str]]:
    """Return a patch and what is to be complained of when asked; raises BadRequest.

    `lenient`: nobody asks.
    """
    plain = media == STRATEGIC_PATCH or (lenient and media == JSON_PATCH)
    prefix = "" if plain else "error decoding patch: "
    try:
        value = read_with_duplicates(body)
    except Malformed as error:
        raise BadRequest(f"{prefix}{error}") from None
    if media == JSON_PATCH:
        operations = [] if value is None else value
        complaints = [] if lenient else [f"json patch {one}" for one in _of_operations(operations)]
        return with_texts(body, operations), complaints
    if media == MERGE_PATCH and value is None:
        raise BadRequest("Invalid JSON Patch")
    if not isinstance(value, dict):
        if value is None:
            return {}, []
        raise BadRequest(f"{prefix}{_unfit(value, _GO_MAP)}")
    # The outermost object is of this type if there is a repeated key anywhere.
    return value, list(_duplicates(value, "")) if isinstance(value, Pairs) else []


def _unfit(value: Value, wanted: str) -> str:
    found = _GO_NAMES.get(type(value), "number")
    return f"json: cannot unmarshal {found} into Go value of type {wanted}"


def _of_operations(operations: Value) -> Iterator[str]:
    """Yield complaints about operations; raises BadRequest at one whose fields are no texts."""
    for index, operation in enumerate(operations if isinstance(operations, list) else ()):
        if not isinstance(operation, dict):
            continue
        repeated = operation.duplicates if isinstance(operation, Pairs) else ()
        for name, value in operation.items():
            if name not in _OPERATION:
                yield f'unknown field "[{index}].{name}"'
            elif name != "value" and not isinstance(value, str | None):
                found = _GO_NAMES.get(type(value), "number")
                raise BadRequest(
                    f"error decoding patch: json: cannot unmarshal {found} into Go struct field "
                    f"jsonPatchOp.{name} of type string"
                )
            for one in repeated:
                if one == name:
                    yield f'duplicate field "[{index}].{name}"'
            yield from _duplicates(value, f"[{index}].{name}")


def _duplicates(value: Value, path: str) -> Iterator[str]:
    """Yield the keys that stand there more than once, in all of a value."""
    if isinstance(value, dict):
        repeated = value.duplicates if isinstance(value, Pairs) else ()
        for name, item in value.items():
            inner = f"{path}.{name}" if path else name
            for one in repeated:
                if one == name:
                    yield f'duplicate field "{inner}"'
            yield from _duplicates(item, inner)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _duplicates(item, f"{path}[{index}]")


def read_configuration(body: bytes) -> tuple[Object, list[str]]:
    """Return the object of an apply and what a strict reader complains of; raises BadRequest."""
    try:
        value, repeated = yaml.parse(body)
    except yaml.MalformedYAML as error:
        text = f"error decoding YAML: error converting YAML to JSON: {error}"
        raise BadRequest(text) from None
    if value is None:
        return {}, repeated
    if not isinstance(value, dict):
        text = f"error unmarshaling JSON: while decoding JSON: {_unfit(value, _GO_MAP)}"
        raise BadRequest(f"error decoding YAML: {text}")
    return value, repeated
