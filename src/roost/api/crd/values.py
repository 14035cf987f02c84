"""Validates values by a schema, in the words of the real server. A schema is compiled once, into
closures.

Rule of updates: what has not changed is not judged again, so that a schema may become stricter; see
`Old`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from roost.api.crd.formats import FORMATS
from roost.api.regex.faults import BadPattern
from roost.api.regex.patterns import compiled
from roost.api.validation.causes import Causes
from roost.api.values import Object

#: What stands for "there was no such value".
ABSENT: Any = object()
#: (value, the value before, path, causes); a value equal to the one before passes.
Check = Callable[[Any, Any, str, Causes], None]


def type_of(value: Any) -> str:
    """Return JSON Schema's name for the type of a value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    if isinstance(value, float):
        return "integer" if value.is_integer() else "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"


def _fits(kind: str, wanted: tuple[str, ...]) -> bool:
    return kind in wanted or (kind == "integer" and "number" in wanted)


def wrong_type(path: str, value: Any, wanted: str, causes: Causes) -> None:
    shown = type_of(value)
    text = f'Invalid value: "{shown}": {path} in body must be of type {wanted}: "{shown}"'
    causes._add("FieldValueTypeInvalid", path, text)


def compile_schema(schema: Object) -> Check:
    """Return the check of values by a schema."""
    rules = _rules(schema)
    wanted = _wanted(schema)
    nullable = bool(schema.get("nullable"))
    shown = ",".join(wanted)
    children = _children(schema)

    def check(value: Any, old: Any, path: str, causes: Causes) -> None:
        if old is not ABSENT and value == old and type(value) is type(old):
            return
        if value is None and (nullable or not wanted):
            return
        if wanted and not _fits(type_of(value), wanted):
            wrong_type(path, value, shown, causes)
            return
        for rule in rules:
            rule(value, old, path, causes)
        if children is not None:
            children(value, old, path, causes)

    return check


def _wanted(schema: Object) -> tuple[str, ...]:
    if schema.get("x-kubernetes-int-or-string"):
        return ("integer", "string")
    return (schema["type"],) if schema.get("type") else ()


def _children(schema: Object) -> Check | None:
    if isinstance(schema.get("items"), dict):
        return _items(schema)
    properties = {n: compile_schema(s) for n, s in sorted((schema.get("properties") or {}).items())}
    extra = schema.get("additionalProperties")
    each = compile_schema(extra) if isinstance(extra, dict) else None
    if not properties and each is None:
        return None

    def check(value: Any, old: Any, path: str, causes: Causes) -> None:
        if not isinstance(value, dict):
            return
        before = old if isinstance(old, dict) else {}
        for name, item in value.items():
            inner = properties.get(name, each)
            if inner is not None:
                inner(item, before.get(name, ABSENT), f"{path}.{name}" if path else name, causes)

    return check


def map_key(item: Any, keys: tuple[str, ...]) -> Any:
    """Return what tells an element of an associative list from the others."""
    return tuple(repr(item.get(key)) for key in keys) if isinstance(item, dict) else ABSENT


def correlated(old: Any, keys: tuple[str, ...]) -> dict[Any, Any]:
    """Return the elements of an associative list by their keys."""
    return {map_key(item, keys): item for item in old} if keys and isinstance(old, list) else {}


def _items(schema: Object) -> Check:
    inner = compile_schema(schema["items"])
    is_map = schema.get("x-kubernetes-list-type") == "map"
    keys = tuple(schema.get("x-kubernetes-list-map-keys") or ()) if is_map else ()

    def check(value: Any, old: Any, path: str, causes: Causes) -> None:
        if not isinstance(value, list):
            return
        before = correlated(old, keys)
        for index, item in enumerate(value):
            was = before.get(map_key(item, keys), ABSENT) if keys else ABSENT
            inner(item, was, f"{path}[{index}]", causes)

    return check


def _number(value: Any) -> str:
    """A number as Go's %v writes it."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e21:
        return str(int(value))
    return str(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _bound(schema: Object, key: str, exclusive: str, less: bool) -> Check | None:
    limit = schema.get(key)
    if limit is None:
        return None
    strict = bool(schema.get(exclusive))
    words = ("less" if less else "greater") + " than" + ("" if strict else " or equal to")

    def check(value: Any, _old: Any, path: str, causes: Causes) -> None:
        if not _is_number(value):
            return
        beyond = value > limit if less else value < limit
        if beyond or (strict and value == limit):
            causes.invalid(path, value, f"{path} in body should be {words} {_number(limit)}")

    return check


#: Formats of integers that are checked -> how many bits there are.
_BITS = {"int32": 32, "int64": 64}


def _range(schema: Object) -> Check | None:
    form = schema.get("format") or ""
    bits = _BITS.get(form) if schema.get("type") == "integer" else None
    if bits is None:
        return None
    most = 1 << (bits - 1)

    def check(value: Any, _old: Any, _path: str, causes: Causes) -> None:
        if isinstance(value, int) and not isinstance(value, bool) and not -most <= value < most:
            text = f"Checked value must be of type integer with format {form}"
            causes.invalid("<nil>", "", text)

    return check


def _multiple(schema: Object) -> Check | None:
    step = schema.get("multipleOf")
    if not step:
        return None

    def check(value: Any, _old: Any, path: str, causes: Causes) -> None:
        if _is_number(value) and not float(value / step).is_integer():
            causes.invalid(path, value, f"{path} in body should be a multiple of {_number(step)}")

    return check


def _text(schema: Object) -> Check | None:
    shortest, longest, pattern = (schema.get(key) for key in ("minLength", "maxLength", "pattern"))
    form = FORMATS.get(schema.get("format") or "")
    named = schema.get("format")
    if shortest is None and longest is None and not pattern and form is None:
        return None

    def check(value: Any, _old: Any, path: str, causes: Causes) -> None:
        if not isinstance(value, str):
            return
        if longest is not None and len(value) > longest:
            causes.too_long(path, longest)
        elif shortest is not None and len(value) < shortest:
            causes.invalid(path, value, f"{path} in body should be at least {shortest} chars long")
        elif pattern and not _matches(pattern, value):
            causes.invalid(path, value, f"{path} in body should match '{pattern}'")
        if form is not None and not form(value):
            text = f'Invalid value: "{value}": {path} in body must be of type {named}: "{value}"'
            causes._add("FieldValueTypeInvalid", path, text)

    return check


def _matches(pattern: str, value: str) -> bool:
    try:
        return compiled(pattern).search(value) is not None
    except BadPattern:
        return False


def _enum(schema: Object) -> Check | None:
    allowed = schema.get("enum")
    if not allowed:
        return None
    listed = [one if isinstance(one, str) else _json(one) for one in allowed]

    def check(value: Any, _old: Any, path: str, causes: Causes) -> None:
        if not any(
            value == one and isinstance(value, bool) == isinstance(one, bool) for one in allowed
        ):
            causes.not_supported(path, value, listed)

    return check


def _json(value: Any) -> str:
    return "true" if value is True else "false" if value is False else _number(value)


def _counts(schema: Object) -> Check | None:
    fewest, most = schema.get("minItems"), schema.get("maxItems")
    few, many = schema.get("minProperties"), schema.get("maxProperties")
    unique = schema.get("uniqueItems")
    if all(one is None for one in (fewest, most, few, many)) and not unique:
        return None

    def check(value: Any, _old: Any, path: str, causes: Causes) -> None:
        if isinstance(value, list):
            if fewest is not None and len(value) < fewest:
                causes.invalid(
                    path, len(value), f"{path} in body should have at least {fewest} items"
                )
            if most is not None and len(value) > most:
                causes.too_many(path, len(value), most)
            if unique and any(item in value[:index] for index, item in enumerate(value)):
                causes.invalid(path, value, f"{path} in body shouldn't contain duplicates")
        elif isinstance(value, dict):
            if few is not None and len(value) < few:
                causes.invalid(
                    path, len(value), f"{path} in body should have at least {few} properties"
                )
            if many is not None and len(value) > many:
                causes.too_many(path, len(value), many)

    return check


def _required(schema: Object) -> Check | None:
    names = tuple(schema.get("required") or ())
    if not names:
        return None

    def check(value: Any, _old: Any, path: str, causes: Causes) -> None:
        if isinstance(value, dict):
            for name in names:
                if name not in value:
                    causes.required(f"{path}.{name}" if path else name)

    return check


def _nested(schema: Object) -> Check | None:
    """allOf, anyOf, oneOf and not."""
    every = [compile_schema(one) for one in schema.get("allOf") or ()]
    some = (
        []
        if schema.get("x-kubernetes-int-or-string")
        else [compile_schema(o) for o in schema.get("anyOf") or ()]
    )
    single = [compile_schema(one) for one in schema.get("oneOf") or ()]
    never = compile_schema(schema["not"]) if isinstance(schema.get("not"), dict) else None
    if not every and not some and not single and never is None:
        return None

    def check(value: Any, _old: Any, path: str, causes: Causes) -> None:
        if every:
            _all_of(every, value, path, causes)
        if some:
            tried = [_tried(one, value, path) for one in some]
            if all(tried):
                causes.invalid("<nil>", "", f'"{path}" must validate at least one schema (anyOf)')
                causes.extend(tried[0])
        if single:
            _one_of(single, value, path, causes)
        if never is not None and not _tried(never, value, path):
            causes.invalid("<nil>", "", f'"{path}" must not validate the schema (not)')

    return check


def _all_of(every: list[Check], value: Any, path: str, causes: Causes) -> None:
    tried = [_tried(one, value, path) for one in every]
    for found in tried:
        causes.extend(found)
    if any(tried):
        how = ". None validated" if all(tried) else ""
        causes.invalid("<nil>", "", f'"{path}" must validate all the schemas (allOf){how}')


def _one_of(single: list[Check], value: Any, path: str, causes: Causes) -> None:
    tried = [_tried(one, value, path) for one in single]
    valid = sum(not found for found in tried)
    if valid == 1:
        return
    how = "Found none valid" if valid == 0 else f"Found {valid} valid alternatives"
    causes.invalid("<nil>", "", f'"{path}" must validate one and only one schema (oneOf). {how}')
    if valid == 0:
        causes.extend(tried[0])


def _tried(check: Check, value: Any, path: str) -> Causes:
    found = Causes()
    check(value, ABSENT, path, found)
    return found


def _rules(schema: Object) -> tuple[Check, ...]:
    made = (
        _text(schema),
        _range(schema),
        _bound(schema, "maximum", "exclusiveMaximum", True),  # noqa: FBT003 - a private builder
        _bound(schema, "minimum", "exclusiveMinimum", False),  # noqa: FBT003 - a private builder
        _multiple(schema),
        _counts(schema),
        _required(schema),
        _enum(schema),
        _nested(schema),
    )
    return tuple(one for one in made if one is not None)
