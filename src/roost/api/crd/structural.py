"""Is a schema structural? The rules and words of the real server, part by part from the inside out."""

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
_TYPES = ("array", "boolean", "integer", "number", "object", "string")
_UNSUPPORTED = (
    "definitions",
    "dependencies",
    "id",
    "additionalItems",
    "patternProperties",
    "$ref",
    "$schema",
)
#: What nested schemas (in allOf, anyOf, oneOf, not) may not say.
_FORBIDDEN = (
    ("type", "must be empty to be structural"),
    ("additionalProperties", "must be undefined to be structural"),
    ("default", "must be undefined to be structural"),
    ("title", "must be empty to be structural"),
    ("description", "must be empty to be structural"),
    ("nullable", "must be false to be structural"),
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
_INT_OR_STRING = ["integer", "string"]


def check_words(schema: Object, path: str, causes: Causes) -> None:
    """Check what each part of a schema says, whatever the whole is."""
    for name in _UNSUPPORTED:
        if schema.get(name):
            causes.forbidden(f"{path}.{name}", f"{name} is not supported")
    kind = schema.get("type") or ""
    if kind == "null":
        causes.forbidden(
            f"{path}.type", "type cannot be set to null, use nullable as an alternative"
        )
    elif kind and kind not in _TYPES:
        causes.not_supported(f"{path}.type", kind, _TYPES)
    if schema.get("uniqueItems"):
        text = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
        causes.forbidden(f"{path}.uniqueItems", text)
    if schema.get("additionalProperties") is False and not schema.get("properties"):
        causes.forbidden(
            f"{path}.additionalProperties", "additionalProperties cannot be set to false"
        )
    if isinstance(schema.get("items"), list):
        causes.forbidden(f"{path}.items", "items must be a schema object and not an array")
    if schema.get("pattern"):
        try:
            compiled(schema["pattern"])
        except BadPattern as error:
            text = f"must be a valid regular expression, but isn't: {error}"
            causes.invalid(f"{path}.pattern", schema["pattern"], text)
    if schema.get("x-kubernetes-preserve-unknown-fields") is False:
        text = "must be true or undefined"
        causes.invalid(f"{path}.x-kubernetes-preserve-unknown-fields", False, text)  # noqa: FBT003 - the value itself
    _check_map_type(schema, path, causes)
    _check_list_type(schema, path, causes)
    for where, part in _parts(schema):
        check_words(part, f"{path}.{where}", causes)


def _parts(schema: Object) -> list[tuple[str, Object]]:
    found = [(f"properties[{n}]", s) for n, s in sorted((schema.get("properties") or {}).items())]
    single = ("additionalProperties", "items", "not")
    found += [(key, schema[key]) for key in single if isinstance(schema.get(key), dict)]
    for key in ("allOf", "anyOf", "oneOf"):
        found += [(f"{key}[{index}]", one) for index, one in enumerate(schema.get(key) or ())]
    return found


def _check_map_type(schema: Object, path: str, causes: Causes) -> None:
    wanted = schema.get("x-kubernetes-map-type")
    if wanted is None:
        return
    if schema.get("type") != "object":
        text = "must be object if x-kubernetes-map-type is specified"
        if schema.get("type"):
            causes.invalid(f"{path}.type", schema["type"], text)
        else:
            causes.required(f"{path}.type", text)
    if wanted not in ("atomic", "granular"):
        causes.not_supported(f"{path}.x-kubernetes-map-type", wanted, ("atomic", "granular"))


def _check_list_type(schema: Object, path: str, causes: Causes) -> None:
    wanted, keys = (
        schema.get("x-kubernetes-list-type"),
        schema.get("x-kubernetes-list-map-keys") or [],
    )
    here = f"{path}.x-kubernetes-list-type"
    if wanted is not None:
        if schema.get("type") != "array":
            text = "must be array if x-kubernetes-list-type is specified"
            if schema.get("type"):
                causes.invalid(f"{path}.type", schema["type"], text)
            else:
                causes.required(f"{path}.type", text)
        if wanted not in ("atomic", "set", "map"):
            causes.not_supported(here, wanted, ("atomic", "map", "set"))
    if keys and wanted != "map":
        text = "must be map if x-kubernetes-list-map-keys is non-empty"
        if wanted is None:
            causes.required(here, text)
        else:
            causes.invalid(here, wanted, text)
    items = schema.get("items")
    if wanted == "map":
        _check_list_map(schema, keys, items if isinstance(items, dict) else {}, path, causes)
    elif wanted == "set" and isinstance(items, dict):
        _check_set(items, f"{path}.items", causes)


def _check_list_map(
    schema: Object, keys: list[str], items: Object, path: str, causes: Causes
) -> None:
    if not keys:
        text = "must not be empty if x-kubernetes-list-type is map"
        causes.required(f"{path}.x-kubernetes-list-map-keys", text)
        return
    if not isinstance(schema.get("items"), dict):
        causes.required(f"{path}.items", "must have a schema if x-kubernetes-list-type is map")
        return
    if items.get("nullable"):
        causes.forbidden(
            f"{path}.items.nullable", "cannot be nullable when x-kubernetes-list-type is map"
        )
    if items.get("type") != "object":
        text = "must be object if parent array's x-kubernetes-list-type is map"
        causes.invalid(f"{path}.items.type", items.get("type") or "", text)
    properties = items.get("properties") or {}
    required = items.get("required") or ()
    seen: set[str] = set()
    for index, key in enumerate(keys):
        found = properties.get(key)
        if found is None:
            text = "entries must all be names of item properties"
            causes.invalid(f"{path}.x-kubernetes-list-map-keys[{index}]", key, text)
        else:
            where = f"{path}.items.properties[{key}]"
            _check_key(found, key in required, where, causes)
        if key in seen:
            causes.duplicate(f"{path}.x-kubernetes-list-map-keys[{index}]", key)
        seen.add(key)


def _check_key(found: Object, required: bool, path: str, causes: Causes) -> None:
    if found.get("type") in ("array", "object"):
        text = "must be a scalar type if parent array's x-kubernetes-list-type is map"
        causes.invalid(f"{path}.type", found["type"], text)
    if found.get("nullable"):
        text = "cannot be nullable when x-kubernetes-list-type is map"
        causes.forbidden(f"{path}.nullable", text)
    if found.get("default") is None and not required:
        text = (
            "this property is in x-kubernetes-list-map-keys, so it must have a "
            "default or be a required property"
        )
        causes.required(f"{path}.default", text)


def _check_set(items: Object, path: str, causes: Causes) -> None:
    if items.get("nullable"):
        causes.forbidden(
            f"{path}.nullable", "cannot be nullable when x-kubernetes-list-type is set"
        )
    text = "must be atomic as item of a list with x-kubernetes-list-type=set"
    if items.get("type") == "object" and items.get("x-kubernetes-map-type") != "atomic":
        causes.invalid(f"{path}.x-kubernetes-map-type", items.get("x-kubernetes-map-type"), text)
    if items.get("type") == "array" and items.get("x-kubernetes-list-type") not in (None, "atomic"):
        causes.invalid(f"{path}.x-kubernetes-list-type", items.get("x-kubernetes-list-type"), text)


def check_structure(schema: Object, path: str, causes: Causes) -> None:
    """Check that a whole schema is structural."""
    _structure(schema, _ROOT, path, causes)


def _structure(schema: Object, level: str, path: str, causes: Causes) -> None:
    if isinstance(schema.get("items"), dict):
        _structure(schema["items"], _ITEM, f"{path}.items", causes)
    for name, part in sorted((schema.get("properties") or {}).items()):
        _structure(part, _FIELD, f"{path}.properties[{name}]", causes)
    extra = schema.get("additionalProperties")
    if isinstance(extra, dict):
        _structure(extra, _FIELD, f"{path}.additionalProperties", causes)
    if extra is not None and schema.get("properties"):
        text = "additionalProperties and properties are mutual exclusive"
        causes.forbidden(f"{path}.additionalProperties", text)
    _extensions(schema, path, causes)
    _nested(schema, path, causes)
    _type(schema, level, path, causes)
    if level == _ROOT or schema.get("x-kubernetes-embedded-resource"):
        _object(schema, path, causes)


def _extensions(schema: Object, path: str, causes: Causes) -> None:
    if not schema.get("x-kubernetes-int-or-string"):
        return
    if schema.get("type"):
        causes.forbidden(f"{path}.type", "must be empty if x-kubernetes-int-or-string is true")
    for name in ("x-kubernetes-embedded-resource", "x-kubernetes-preserve-unknown-fields"):
        if schema.get(name):
            text = "must be false if x-kubernetes-int-or-string is true"
            causes.forbidden(f"{path}.{name}", text)


def _type(schema: Object, level: str, path: str, causes: Causes) -> None:
    kind, embedded = schema.get("type") or "", schema.get("x-kubernetes-embedded-resource")
    here = f"{path}.type"
    open_ended = schema.get("x-kubernetes-int-or-string") or schema.get(
        "x-kubernetes-preserve-unknown-fields"
    )
    if embedded and kind != "object":
        text = "must be object if x-kubernetes-embedded-resource is true"
        if kind:
            causes.invalid(here, kind, text)
        else:
            causes.required(here, text)
    elif not kind and not open_ended:
        causes.required(here, _NO_TYPE[level])
    if embedded and schema.get("additionalProperties") is not None:
        text = "must not be used if x-kubernetes-embedded-resource is set"
        causes.forbidden(f"{path}.additionalProperties", text)
    if level == _ROOT and kind and kind != "object":
        causes.invalid(here, kind, "must be object at the root")
    if (
        embedded
        and not schema.get("x-kubernetes-preserve-unknown-fields")
        and not schema.get("properties")
    ):
        text = (
            "must not be empty if x-kubernetes-embedded-resource is true without "
            "x-kubernetes-preserve-unknown-fields"
        )
        causes.required(f"{path}.properties", text)


def _object(schema: Object, path: str, causes: Causes) -> None:
    """Check what a schema says of the fields that every object has."""
    properties = schema.get("properties") or {}
    for name in ("kind", "apiVersion"):
        found = properties.get(name)
        if found is not None and found.get("type") != "string":
            causes.invalid(
                f"{path}.properties[{name}].type", found.get("type") or "", "must be string"
            )
    metadata = properties.get("metadata")
    if metadata is None:
        return
    where = f"{path}.properties[metadata]"
    if metadata.get("type") != "object":
        causes.invalid(f"{where}.type", metadata.get("type") or "", "must be object")
    inner = metadata.get("properties") or {}
    rest = {key for key in metadata if key not in ("type", "properties", "description", "title")}
    if set(inner) - {"name", "generateName"} or rest:
        causes.forbidden(where, _METADATA)


def _nested(schema: Object, path: str, causes: Causes) -> None:
    """Check allOf, anyOf, oneOf and not: they only restrict what is specified outside of them."""
    for key in ("allOf", "anyOf", "oneOf"):
        for index, one in enumerate(schema.get(key) or ()):
            if key == "anyOf" and _is_int_or_string(schema, one, index):
                continue
            _restriction(one, schema, path, f"{path}.{key}[{index}]", causes)
    if isinstance(schema.get("not"), dict):
        _restriction(schema["not"], schema, path, f"{path}.not", causes)


def _is_int_or_string(schema: Object, one: Object, index: int) -> bool:
    kinds = [part.get("type") for part in schema.get("anyOf") or ()]
    pattern = bool(schema.get("x-kubernetes-int-or-string")) and kinds == _INT_OR_STRING
    return pattern and set(one) == {"type"} and one["type"] == _INT_OR_STRING[index]


def _restriction(one: Object, outer: Any, outer_path: str, path: str, causes: Causes) -> None:
    outer = outer if isinstance(outer, dict) else {}
    if isinstance(one.get("items"), dict):
        if not isinstance(outer.get("items"), dict):
            causes.required(f"{outer_path}.items", f"because it is defined in {path}.items")
        _restriction(
            one["items"], outer.get("items"), f"{outer_path}.items", f"{path}.items", causes
        )
    known = outer.get("properties") or {}
    for name, part in sorted((one.get("properties") or {}).items()):
        where, inner = f"{outer_path}.properties[{name}]", f"{path}.properties[{name}]"
        extra = outer.get("additionalProperties")
        if name not in known and not isinstance(extra, dict):
            causes.required(where, f"because it is defined in {inner}")
        _restriction(part, known.get(name) or extra, where, inner, causes)
    for key, text in _FORBIDDEN:
        if one.get(key):
            causes.forbidden(f"{path}.{key}", text)
    for key in ("allOf", "anyOf", "oneOf"):
        for index, part in enumerate(one.get(key) or ()):
            _restriction(part, outer, outer_path, f"{path}.{key}[{index}]", causes)
    if isinstance(one.get("not"), dict):
        _restriction(one["not"], outer, outer_path, f"{path}.not", causes)
