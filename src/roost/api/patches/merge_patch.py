"""JSON merge patch (RFC 7386): objects are merged, null removes, all else replaces."""

from __future__ import annotations

from typing import Any

from roost.api.errors import BadRequest
from roost.api.values import Object, Value

#: What is said of a patch or an object that is nested beyond what Python can walk.
TOO_DEEP = "error decoding patch: exceeded max depth"
_GO_NAMES = {list: "array", str: "string", bool: "bool", int: "number", float: "number"}


def check_patch_object(patch: Any) -> Object:
    """Return a patch that is an object; raise BadRequest in the real server's words otherwise."""
    if isinstance(patch, dict):
        return patch
    kind = _GO_NAMES.get(type(patch), "null")
    raise BadRequest(
        f"error decoding patch: json: cannot unmarshal {kind} into Go value of type "
        "map[string]interface {}"
    )


def apply_merge_patch(document: Object, patch: Any) -> Object:
    """Return the patched document; what did not change is shared with the given one."""
    patch = check_patch_object(patch)
    try:
        return _merged(document, patch)
    except RecursionError:
        raise BadRequest(TOO_DEEP) from None


def _merged(document: Object, patch: Object) -> Object:
    out = dict(document)
    for key, value in patch.items():
        if value is None:
            out.pop(key, None)
        elif isinstance(value, dict):
            have = out.get(key)
            out[key] = _merged(have if isinstance(have, dict) else {}, value)
        else:
            out[key] = value
    return out


def without_nulls(value: Value) -> Value:
    """Return a value without the members that are null, at any depth of objects."""
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    return value
