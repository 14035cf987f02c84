"""What each part of a definition's schema may say, whatever the whole is: the real server's words.

Rule: a part speaks before its parts where it is about itself, and after them where it is about lists and
maps, as there; rules (`x-kubernetes-validations`) come last, and are compiled elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from roost.api.crd.paths import BadPath, schema_at
from roost.api.validation.causes import Causes
from roost.api.values import Object

REASONS = ("FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired")
_TYPES = ("array", "boolean", "integer", "number", "object", "string")
#: In the order in which they are complained about.
_UNSUPPORTED = (
    "id", "additionalItems", "patternProperties", "definitions", "dependencies", "$ref",
)  # fmt: skip
#: What keeps a schema from being looked at as a structure at all.
_UNSTRUCTURAL = (
    ("id", "id"), ("$schema", "schema"), ("$ref", "$ref"),
    ("patternProperties", "patternProperties"), ("dependencies", "dependencies"),
    ("additionalItems", "additionalItems"), ("definitions", "definitions"),
)  # fmt: skip
_META = ("metadata", "kind", "apiVersion")
_LIST_TYPES = ("atomic", "set", "map")
_MAP = "x-kubernetes-map-type"
_LIST = "x-kubernetes-list-type"
_KEYS = "x-kubernetes-list-map-keys"


@dataclass(frozen=True, slots=True)
class _Place:
    """Why no default may stand here ("" if one may), and whether this is part of metadata."""

    no_default: str = ""
    in_meta: bool = False
    root: bool = False


def unstructural(schema: Object) -> str:
    """Return why a schema cannot be a structure, "" if it can: what it says is not supported."""
    for key, shown in _UNSTRUCTURAL:
        if schema.get(key):
            return f"OpenAPIV3Schema '{shown}' is not supported"
    if schema.get("x-kubernetes-preserve-unknown-fields") is False:
        return "internal error: 'x-kubernetes-preserve-unknown-fields' must be true or undefined"
    if isinstance(schema.get("items"), list):
        return "OpenAPIV3Schema 'items' must be a schema, but is an array"
    return next((fault for _, part in _parts(schema) if (fault := unstructural(part))), "")


def _parts(schema: Object) -> Iterator[tuple[str, Object]]:
    """Yield the schemas in a schema, each with where it is."""
    if isinstance(schema.get("additionalProperties"), dict):
        yield "additionalProperties", schema["additionalProperties"]
    for name, part in sorted((schema.get("properties") or {}).items()):
        yield f"properties[{name}]", part
    if isinstance(schema.get("not"), dict):
        yield "not", schema["not"]
    for key in ("allOf", "oneOf", "anyOf"):
        for index, one in enumerate(schema.get(key) or ()):
            yield f"{key}[{index}]", one
    if isinstance(schema.get("items"), dict):
        yield "items", schema["items"]


def check_words(schema: Object, path: str, causes: Causes) -> None:
    """Check what each part of a whole schema says."""
    _check(schema, path, _Place(root=True), causes)


def _check(schema: Object, path: str, place: _Place, causes: Causes) -> None:
    _check_generics(schema, path, place, causes)
    for where, part in _parts(schema):
        _check(part, f"{path}.{where}", _place_of(schema, where, place), causes)
    _check_map_type(schema, path, causes)
    _check_list_type(schema, path, causes)
    if schema.get(_LIST) == "map":
        _check_list_map(schema, path, causes)
    _check_items(schema, path, causes)
    for index, rule in enumerate(schema.get("x-kubernetes-validations") or ()):
        _check_rule(rule, schema, f"{path}.x-kubernetes-validations[{index}]", causes)


def _place_of(schema: Object, where: str, place: _Place) -> _Place:
    inner = replace(place, root=False)
    if where == "additionalProperties" and place.in_meta:
        return replace(inner, no_default="inside additionalProperties applying to object metadata")
    name = where.removeprefix("properties[").removesuffix("]")
    is_object = place.root or schema.get("x-kubernetes-embedded-resource")
    if where.startswith("properties[") and name in _META and is_object:
        inner = replace(inner, in_meta=True)
        if place.root:
            inner = replace(inner, no_default=f"in top-level {name}")
    return inner


def _check_generics(schema: Object, path: str, place: _Place, causes: Causes) -> None:
    kind = schema.get("type") or ""
    if kind and kind not in _TYPES:
        causes.not_supported(f"{path}.type", kind, _TYPES)
    if schema.get("default") is not None and place.no_default:
        causes.forbidden(f"{path}.default", f"must not be set {place.no_default}")
    for name in _UNSUPPORTED:
        if schema.get(name):
            causes.forbidden(f"{path}.{name}", f"{name} is not supported")
    if kind == "null":
        text = "type cannot be set to null, use nullable as an alternative"
        causes.forbidden(f"{path}.type", text)
    if isinstance(schema.get("items"), list):
        causes.forbidden(f"{path}.items", "items must be a schema object and not an array")
    if place.in_meta and schema.get("x-kubernetes-embedded-resource"):
        text = "must not be used inside of resource meta"
        causes.forbidden(f"{path}.x-kubernetes-embedded-resource", text)
    if schema.get("uniqueItems"):
        text = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
        causes.forbidden(f"{path}.uniqueItems", text)
    extra = schema.get("additionalProperties")
    if schema.get("properties") and (extra is False or isinstance(extra, dict)):
        text = "additionalProperties and properties are mutual exclusive"
        causes.forbidden(f"{path}.additionalProperties", text)


def _needs_type(schema: Object, wanted: str, key: str, path: str, causes: Causes) -> bool:
    """Check that a schema with a key is of a type; tell whether it is."""
    kind, text = schema.get("type") or "", f"must be {wanted} if {key} is specified"
    if kind == wanted:
        return True
    if kind:
        causes.invalid(f"{path}.type", kind, text)
    else:
        causes.required(f"{path}.type", text)
    return False


def _check_map_type(schema: Object, path: str, causes: Causes) -> None:
    if schema.get("x-kubernetes-preserve-unknown-fields") is False:
        shown: object = schema["x-kubernetes-preserve-unknown-fields"]
        causes.invalid(
            f"{path}.x-kubernetes-preserve-unknown-fields", shown, "must be true or undefined"
        )
    wanted = schema.get(_MAP)
    if wanted is None:
        return
    _needs_type(schema, "object", _MAP, path, causes)
    if wanted not in ("atomic", "granular"):
        causes.not_supported(f"{path}.{_MAP}", wanted, ("atomic", "granular"))


def _check_list_type(schema: Object, path: str, causes: Causes) -> None:
    wanted, items, here = schema.get(_LIST), schema.get("items"), f"{path}.{_LIST}"
    if wanted is not None:
        fits = _needs_type(schema, "array", _LIST, path, causes)
        if fits and wanted == "set" and isinstance(items, dict):
            _check_set(items, f"{path}.items", causes)
        if wanted not in _LIST_TYPES:
            causes.not_supported(here, wanted, _LIST_TYPES)
    if schema.get(_KEYS) and wanted != "map":
        text = f"must be map if {_KEYS} is non-empty"
        if wanted is None:
            causes.required(here, text)
        else:
            causes.invalid(here, wanted, text)


def _check_set(items: Object, path: str, causes: Causes) -> None:
    text = f"must be atomic as item of a list with {_LIST}=set"
    if items.get("type") == "array" and items.get(_LIST) not in (None, "atomic"):
        causes.invalid(f"{path}.{_LIST}", items[_LIST], text)
    if items.get("type") == "object" and items.get(_MAP) != "atomic":
        causes.invalid(f"{path}.{_MAP}", items.get(_LIST), text)


def _check_list_map(schema: Object, path: str, causes: Causes) -> None:
    keys, items = schema.get(_KEYS) or [], schema.get("items")
    if not keys:
        causes.required(f"{path}.{_KEYS}", f"must not be empty if {_LIST} is map")
    if not isinstance(items, dict):
        causes.required(f"{path}.items", f"must have a schema if {_LIST} is map")
        return
    kind = items.get("type") or ""
    if kind != "object":
        text = f"must be object if parent array's {_LIST} is map"
        causes.invalid(f"{path}.items.type", kind, text)
        return
    properties = items.get("properties") or {}
    for index, key in enumerate(keys):
        if key not in properties:
            text = "entries must all be names of item properties"
            causes.invalid(f"{path}.{_KEYS}", keys, text)
        elif properties[key].get("type") in ("array", "object"):
            text = f"must be a scalar type if parent array's {_LIST} is map"
            causes.invalid(f"{path}.items.properties[{key}].type", kind, text)
        if key in keys[:index]:
            causes.invalid(f"{path}.{_KEYS}", keys, "must not contain duplicate entries")


def _check_items(schema: Object, path: str, causes: Causes) -> None:
    """Check that the elements of sets and maps are never null, and their keys always there."""
    wanted, items = schema.get(_LIST), schema.get("items")
    if wanted not in ("set", "map") or not isinstance(items, dict):
        return
    if items.get("nullable"):
        causes.forbidden(f"{path}.items.nullable", f"cannot be nullable when {_LIST} is {wanted}")
    if wanted != "map":
        return
    properties, required = items.get("properties") or {}, items.get("required") or ()
    for key in schema.get(_KEYS) or ():
        found, where = properties.get(key), f"{path}.items.properties[{key}]"
        if found is None:
            continue
        if key not in required and found.get("default") is None:
            text = "so it must have a default or be a required property"
            causes.required(f"{where}.default", f"this property is in {_KEYS}, {text}")
        if found.get("nullable"):
            text = f"this property is in {_KEYS}, so it cannot be nullable"
            causes.forbidden(f"{where}.nullable", text)


def _breaks(text: str) -> bool:
    return "\n" in text or "\r" in text


def _check_rule(rule: Object, schema: Object, path: str, causes: Causes) -> None:
    """Check what a rule says beside its expression."""
    text, message = (rule.get("rule") or "").strip(), rule.get("message") or ""
    bare = message.strip()
    if not text:
        causes.required(f"{path}.rule", "rule is not specified")
    elif message and not bare:
        causes.invalid(f"{path}.message", message, "must be non-empty if specified")
    elif _breaks(bare):
        causes.invalid(f"{path}.message", message, "must not contain line breaks")
    elif _breaks(text) and not bare:
        causes.required(f"{path}.message", "must be specified if rule contains line breaks")
    if rule.get("messageExpression") and not rule["messageExpression"].strip():
        causes.required(f"{path}.messageExpression", "must be non-empty if specified")
    if rule.get("reason") is not None and rule["reason"] not in REASONS:
        causes.not_supported(f"{path}.reason", rule["reason"], REASONS)
    where = rule.get("fieldPath") or ""
    if not where:
        return
    if not where.strip():
        causes.invalid(f"{path}.fieldPath", where, "must be non-empty if specified")
    if _breaks(where):
        causes.invalid(f"{path}.fieldPath", where, "must not contain line breaks")
    try:
        schema_at(schema, where)
    except BadPath:
        causes.invalid(f"{path}.fieldPath", where, "must be a valid path")
