"""Validates values by a schema, in the words of the real server. A schema is compiled once, into
closures.

Rule of updates: what has not changed is not judged again, so that a schema may become stricter; see
`Old`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from roost.api.crd.formats import check_of, known_format
from roost.api.crd.numbers import is_whole, number_checks
from roost.api.crd.weights import weight
from roost.api.regex.faults import BadPattern
from roost.api.regex.patterns import compiled
from roost.api.validation.causes import Causes, written
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
        return "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"


def _fits(value: Any, wanted: tuple[str, ...]) -> bool:
    kind = type_of(value)
    if kind == "number" and "integer" in wanted:
        return "number" in wanted or is_whole(value)
    return kind in wanted or (kind == "integer" and "number" in wanted)


#: What kind of number a value is, where the schema asks for a format.
_NUMBERS = {"integer": "int64", "number": "float64"}


def _shown_type(value: Any, form: str) -> str:
    """Return what a value is called that is not of the type that was asked for."""
    kind = type_of(value)
    plain = not form or kind in ("string", "array", "null")
    return kind if plain else _NUMBERS.get(kind, "")


def wrong_type(path: str, shown: str, wanted: str, causes: Causes) -> None:
    """The value is of a type of its own: complain, with the name of that."""
    text = f'Invalid value: "{shown}": {path} in body must be of type {wanted}: "{shown}"'
    causes._add("FieldValueTypeInvalid", path, text)


def compile_schema(schema: Object) -> Check:
    """Return the check of values by a schema."""
    rules = _rules(schema)
    wanted = _wanted(schema)
    nullable = bool(schema.get("nullable"))
    form = known_format(schema)
    shown = ",".join(wanted)
    choices = _enum(schema)

    def check(value: Any, old: Any, path: str, causes: Causes) -> None:
        if old is not ABSENT and value == old and type(value) is type(old):
            return
        fits = nullable if value is None else _fits(value, wanted)
        if wanted and not fits:
            named = _shown_type(value, form)
            by_form = form and named in ("", *_NUMBERS.values())
            wrong_type(path, named, form if by_form else shown, causes)
        for rule in rules if value is not None else (choices,) if choices is not None else ():
            rule(value, old, path, causes)

    return check


def _wanted(schema: Object) -> tuple[str, ...]:
    if schema.get("x-kubernetes-int-or-string"):
        return ("integer", "string")
    return (schema["type"],) if schema.get("type") else ()


def _fields(schema: Object) -> Check | None:
    properties = {n: compile_schema(s) for n, s in sorted((schema.get("properties") or {}).items())}
    extra = schema.get("additionalProperties")
    each = compile_schema(extra) if isinstance(extra, dict) else None
    closed = extra is False
    if not properties and each is None and not closed:
        return None

    def check(value: Any, old: Any, path: str, causes: Causes) -> None:
        if not isinstance(value, dict):
            return
        before = old if isinstance(old, dict) else {}
        for name, item in value.items():
            inner = properties.get(name)
            if inner is not None:
                inner(item, before.get(name, ABSENT), f"{path}.{name}" if path else name, causes)
            elif each is not None:
                each(item, before.get(name, ABSENT), f"{path}.{name}", causes)
            elif closed:
                text = f"{path}.{name} in body is a forbidden property"
                causes.invalid(path or "<nil>", name, text)

    return check


def map_key(item: Any, keys: tuple[str, ...]) -> Any:
    """Return what tells an element of an associative list from the others."""
    return tuple(repr(item.get(key)) for key in keys) if isinstance(item, dict) else ABSENT


def correlated(old: Any, keys: tuple[str, ...]) -> dict[Any, Any]:
    """Return the elements of an associative list by their keys."""
    return {map_key(item, keys): item for item in old} if keys and isinstance(old, list) else {}


def _items(schema: Object) -> Check | None:
    if not isinstance(schema.get("items"), dict):
        return None
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


def _text(schema: Object) -> Check | None:
    shortest, longest, pattern = (schema.get(key) for key in ("minLength", "maxLength", "pattern"))
    form = check_of(schema)
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
        if not any(_is(value, one) for one in allowed):
            causes.not_supported(path, value, listed)

    return check


def _is(value: Any, allowed: Any) -> bool:
    """Is a value one that is allowed? A float is taken for an integer without its fraction."""
    if isinstance(value, bool) or isinstance(allowed, bool):
        return value is allowed
    if isinstance(value, float) and isinstance(allowed, int):
        return int(value) == allowed
    return bool(value == allowed)


def _json(value: Any) -> str:
    return "true" if value is True else "false" if value is False else written(value)


def _list(schema: Object) -> Check | None:
    """What a schema asks of lists: of each element, then of how many there are."""
    each, unique = _items(schema), schema.get("uniqueItems")
    fewest, most = schema.get("minItems"), schema.get("maxItems")
    if each is None and fewest is None and most is None and not unique:
        return None

    def check(value: Any, old: Any, path: str, causes: Causes) -> None:
        if not isinstance(value, list):
            return
        if each is not None:
            each(value, old, path, causes)
        if fewest is not None and len(value) < fewest:
            text = f"{path} in body should have at least {fewest} items"
            causes.invalid(path, len(value), text)
        if most is not None and len(value) > most:
            causes.too_many(path, len(value), most)
        if unique and any(item in value[:index] for index, item in enumerate(value)):
            causes.invalid(path, value, f"{path} in body shouldn't contain duplicates")

    return check


def _object(schema: Object) -> Check | None:
    """What a schema asks of objects: if their number of fields is wrong, that is all that is said."""
    each, required = _fields(schema), tuple(schema.get("required") or ())
    fewest, most = schema.get("minProperties"), schema.get("maxProperties")
    if each is None and fewest is None and most is None and not required:
        return None

    def check(value: Any, old: Any, path: str, causes: Causes) -> None:
        if not isinstance(value, dict):
            return
        if fewest is not None and len(value) < fewest:
            text = f"{path} in body should have at least {fewest} properties"
            causes.invalid(path, len(value), text)
            return
        if most is not None and len(value) > most:
            causes.too_many(path, len(value), most)
            return
        if each is not None:
            each(value, old, path, causes)
        for name in required:
            if name not in value:
                causes.required(f"{path}.{name}" if path else name)

    return check


def _nested(schema: Object) -> Check | None:
    """allOf, anyOf, oneOf and not."""
    every, some, single = (
        [compile_schema(one) for one in schema.get(key) or ()]
        for key in ("allOf", "anyOf", "oneOf")
    )
    never = compile_schema(schema["not"]) if isinstance(schema.get("not"), dict) else None
    if not every and not some and not single and never is None:
        return None

    def check(value: Any, _old: Any, path: str, causes: Causes) -> None:
        if some:
            tried = [_tried(one, value, path) for one in some]
            if all(tried):
                causes.invalid("<nil>", "", f'"{path}" must validate at least one schema (anyOf)')
                causes.extend(_best(schema["anyOf"], value, tried))
        if single:
            tried = [_tried(one, value, path) for one in single]
            _one_of(schema["oneOf"], tried, value, path, causes)
        if every:
            _all_of(every, value, path, causes)
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


def _one_of(
    schemas: list[Object], tried: list[Causes], value: Any, path: str, causes: Causes
) -> None:
    valid = sum(not found for found in tried)
    if valid == 1:
        return
    how = "Found none valid" if valid == 0 else f"Found {valid} valid alternatives"
    causes.invalid("<nil>", "", f'"{path}" must validate one and only one schema (oneOf). {how}')
    if valid == 0:
        causes.extend(_best(schemas, value, tried))


def _best(schemas: list[Object], value: Any, tried: list[Causes]) -> Causes:
    """Return what the alternative says that looked at the most of a value, of all that refuse it."""
    found = [weight(one, value, _passes) for one in schemas]
    return tried[found.index(max(found))]


def _passes(schema: Object, value: Any) -> bool:
    return not _tried(compile_schema(schema), value, "")


def _tried(check: Check, value: Any, path: str) -> Causes:
    found = Causes()
    check(value, ABSENT, path, found)
    return found


def _rules(schema: Object) -> tuple[Check, ...]:
    made = (
        _nested(schema),
        _text(schema),
        *number_checks(schema),
        _list(schema),
        _enum(schema),
        _object(schema),
    )
    return tuple(one for one in made if one is not None)
