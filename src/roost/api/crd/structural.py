"""Is a schema structural? The rules of the real server; its complaints are in alphabetical order."""

from __future__ import annotations

from typing import Any

from roost.api.regex.faults import BadPattern
from roost.api.regex.patterns import compiled
from roost.api.validation.causes import Causes
from roost.api.values import Object

_ROOT, _ITEM, _FIELD = "root", "item", "field"
_NO_TYPE = {
    _ROOT: "must not be empty at the root",
    _ITEM: "must not be empty for specified array items",
    _FIELD: "must not be empty for specified object fields",
}
#: What nested schemas (in allOf, anyOf, oneOf, not) may not say.
_FORBIDDEN = (
    ("type", "must be empty to be structural"),
    ("additionalProperties", "must be undefined to be structural"),
    ("default", "must be undefined to be structural"),
    ("title", "must be empty to be structural"),
    ("description", "must be empty to be structural"),
    ("nullable", "must be false to be structural"),
    ("externalDocs", "must be undefined to be structural"),
    ("x-kubernetes-preserve-unknown-fields", "must be false to be structural"),
    ("x-kubernetes-embedded-resource", "must be false to be structural"),
    ("x-kubernetes-int-or-string", "must be false to be structural"),
    ("x-kubernetes-list-map-keys", "must be empty to be structural"),
    ("x-kubernetes-list-type", "must be undefined to be structural"),
    ("x-kubernetes-map-type", "must be undefined to be structural"),
    ("x-kubernetes-validations", "must be empty to be structural"),
)
_METADATA = (
    "must not specify anything other than name and generateName, but "
    "metadata is implicitly specified"
)
_EMBEDDED = "x-kubernetes-embedded-resource"
_PRESERVE = "x-kubernetes-preserve-unknown-fields"
_INT_OR_STRING = "x-kubernetes-int-or-string"
_EITHER = [{"type": "integer"}, {"type": "string"}]


def check_structure(schema: Object, path: str, causes: Causes) -> None:
    """Check that a whole schema is structural."""
    found = Causes()
    _structure(schema, _ROOT, path, found)
    _complete(schema, schema, path, path, found)
    causes.extend(sorted(found, key=lambda cause: f"{cause.field}: {cause.message}"))


def _structure(schema: Object, level: str, path: str, causes: Causes) -> None:
    items = schema.get("items")
    if schema.get("type") == "array" and not isinstance(items, dict):
        causes.required(f"{path}.items", "must be specified")
    if isinstance(items, dict):
        _structure(items, _ITEM, f"{path}.items", causes)
    for name, part in (schema.get("properties") or {}).items():
        _structure(part, _FIELD, f"{path}.properties[{name}]", causes)
    extra = schema.get("additionalProperties")
    if extra is not None and level == _ROOT:
        causes.forbidden(f"{path}.additionalProperties", "must not be used at the root")
    if isinstance(extra, dict):
        _structure(extra, _FIELD, f"{path}.additionalProperties", causes)
    if schema.get(_INT_OR_STRING):
        for name in (_PRESERVE, _EMBEDDED):
            if schema.get(name):
                text = f"must be false if {_INT_OR_STRING} is true"
                causes.invalid(f"{path}.{name}", schema[name], text)
    _validation(schema, path, causes, whole=True)
    _type(schema, level, path, causes)
    _object(schema, level, path, causes)


def _type(schema: Object, level: str, path: str, causes: Causes) -> None:
    kind, embedded, here = schema.get("type") or "", schema.get(_EMBEDDED), f"{path}.type"
    if embedded and kind != "object":
        text = f"must be object if {_EMBEDDED} is true"
        if kind:
            causes.invalid(here, kind, text)
        else:
            causes.required(here, text)
    elif not kind and not schema.get(_INT_OR_STRING) and not schema.get(_PRESERVE):
        causes.required(here, _NO_TYPE[level])
    if embedded and schema.get("additionalProperties") is not None:
        text = f"must not be used if {_EMBEDDED} is set"
        causes.forbidden(f"{path}.additionalProperties", text)
    if level == _ROOT and kind and kind != "object":
        causes.invalid(here, kind, "must be object at the root")
    if embedded and not schema.get(_PRESERVE) and not schema.get("properties"):
        text = f"must not be empty if {_EMBEDDED} is true without {_PRESERVE}"
        causes.required(f"{path}.properties", text)


def _object(schema: Object, level: str, path: str, causes: Causes) -> None:
    """Check what a schema says of the fields that every object has."""
    properties, is_object = schema.get("properties") or {}, level == _ROOT or schema.get(_EMBEDDED)
    for name in ("kind", "apiVersion"):
        found = properties.get(name)
        if is_object and found is not None and found.get("type") != "string":
            where = f"{path}.properties[{name}].type"
            causes.invalid(where, found.get("type") or "", "must be string")
    metadata, where = properties.get("metadata"), f"{path}.properties[metadata]"
    if metadata is None:
        return
    if is_object and metadata.get("type") != "object":
        causes.invalid(f"{where}.type", metadata.get("type") or "", "must be object")
    inner = metadata.get("properties") or {}
    rest = {key for key, value in metadata.items() if value} - {"type", "properties", "default"}
    if level == _ROOT and (set(inner) - {"name", "generateName"} or rest):
        causes.forbidden(where, _METADATA)


def _validation(
    schema: Object, path: str, causes: Causes, *, whole: bool, skip: bool = False
) -> None:
    """Check allOf, anyOf, oneOf, not and the pattern of a schema, be it `whole` or nested.

    The one way to say that something is an integer or a string is let be: `skip` says where.
    """
    either = whole and schema.get("anyOf") == _EITHER
    first = whole and (schema.get("allOf") or [{}])[0].get("anyOf") == _EITHER
    if not either and not skip:
        for index, one in enumerate(schema.get("anyOf") or ()):
            _nested(one, f"{path}.anyOf[{index}]", causes)
    for index, one in enumerate(schema.get("allOf") or ()):
        _nested(one, f"{path}.allOf[{index}]", causes, skip=first and index == 0)
    for index, one in enumerate(schema.get("oneOf") or ()):
        _nested(one, f"{path}.oneOf[{index}]", causes)
    if isinstance(schema.get("not"), dict):
        _nested(schema["not"], f"{path}.not", causes)
    if schema.get("pattern"):
        try:
            compiled(schema["pattern"])
        except BadPattern as error:
            text = f"must be a valid regular expression, but isn't: {error}"
            causes.invalid(f"{path}.pattern", schema["pattern"], text)


def _nested(one: Object, path: str, causes: Causes, *, skip: bool = False) -> None:
    """Check a schema that only restricts what is specified outside of it."""
    _validation(one, path, causes, whole=False, skip=skip)
    if isinstance(one.get("items"), dict):
        _nested(one["items"], f"{path}.items", causes)
    for name, part in (one.get("properties") or {}).items():
        _nested(part, f"{path}.properties[{name}]", causes)
    for key, text in _FORBIDDEN:
        if one.get(key) or (
            key in ("default", "additionalProperties") and one.get(key) is not None
        ):
            causes.forbidden(f"{path}.{key}", text)
    if "metadata" in (one.get("properties") or ()):
        text = "must not be specified in a nested context"
        causes.forbidden(f"{path}.properties[metadata]", text)


def _complete(one: Object, outer: Any, outer_path: str, path: str, causes: Causes) -> None:
    """Check that what a schema's allOf and so on restrict is specified in the `outer` one too."""
    nested = [("not", one["not"])] if isinstance(one.get("not"), dict) else []
    for key in ("allOf", "anyOf", "oneOf"):
        nested += [(f"{key}[{index}]", part) for index, part in enumerate(one.get(key) or ())]
    for where, part in nested:
        _complete_nested(part, outer, outer_path, f"{path}.{where}", causes)


def _complete_nested(one: Object, outer: Any, outer_path: str, path: str, causes: Causes) -> None:
    if not isinstance(outer, dict):
        causes.required(outer_path, f"because it is defined in {path}")
        return
    _complete(one, outer, outer_path, path, causes)
    if isinstance(one.get("items"), dict):
        inner = outer.get("items")
        _complete_nested(one["items"], inner, f"{outer_path}.items", f"{path}.items", causes)
    known = outer.get("properties") or {}
    for name, part in (one.get("properties") or {}).items():
        where, inner_path = f"{outer_path}.properties[{name}]", f"{path}.properties[{name}]"
        _complete_nested(part, known.get(name), where, inner_path, causes)
