"""Judges the schemas and selectable fields of a definition: what `validate` of its kind says beside
the rest.
"""

from __future__ import annotations

from roost.api.crd.expressions import check_expressions
from roost.api.crd.nodes import node_of
from roost.api.crd.paths import BadPath, schema_at, steps_of
from roost.api.crd.structural import check_structure, check_words
from roost.api.crd.values import ABSENT, compile_schema
from roost.api.errors import Cause
from roost.api.schema.structural import prune_object
from roost.api.validation.causes import Causes
from roost.api.values import Object

_SELECTABLE_MAX = 8
_SCALARS = ("string", "boolean", "integer")
_NOT_SCALAR = (
    "must point to a field of type string, boolean or integer. Enum string fields and strings with "
    "formats are allowed."
)


def check_schemas(versions: list[Object], causes: Causes) -> None:
    """Check the schemas of all versions; one that all share is spoken of once."""
    schemas = [(version.get("schema") or {}).get("openAPIV3Schema") for version in versions]
    if schemas and all(schema == schemas[0] for schema in schemas):
        if isinstance(schemas[0], dict):
            check_schema(schemas[0], "spec.validation.openAPIV3Schema", causes)
        return
    for index, schema in enumerate(schemas):
        if isinstance(schema, dict):
            check_schema(schema, f"spec.versions[{index}].schema.openAPIV3Schema", causes)


def check_schema(schema: Object, path: str, causes: Causes) -> None:
    """Check one schema: its words, its structure, its defaults, its rules."""
    found = Causes()
    check_words(schema, path, found)
    if not found:
        check_structure(schema, path, found)
    if not found:
        check_defaults(schema, path, found)
    causes.extend(found)
    check_expressions(schema, path, causes)


def check_defaults(schema: Object, path: str, causes: Causes) -> None:
    """Check that every default is what its schema allows, and nothing more."""
    default = schema.get("default")
    if default is not None:
        _check_default(schema, default, f"{path}.default", causes)
    for name, part in sorted((schema.get("properties") or {}).items()):
        check_defaults(part, f"{path}.properties[{name}]", causes)
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            check_defaults(schema[key], f"{path}.{key}", causes)


def _check_default(schema: Object, default: object, path: str, causes: Causes) -> None:
    if isinstance(default, dict):
        _, unknown = prune_object(node_of(schema), default)
        if unknown:
            causes.invalid(path, default, "must not have unknown fields")
    found = Causes()
    compile_schema(schema)(default, ABSENT, "", found)
    for cause in found:
        field = (
            f"{path}.{cause.field}" if cause.field and cause.field[0] != "[" else path + cause.field
        )
        causes.append(Cause(cause.reason, cause.message, field))


def check_selectable(version: Object, path: str, causes: Causes) -> None:
    """Check the selectable fields of a version."""
    schema = (version.get("schema") or {}).get("openAPIV3Schema") or {}
    fields = version.get("selectableFields") or []
    if len(fields) > _SELECTABLE_MAX:
        causes.too_many(path, len(fields), _SELECTABLE_MAX)
    seen: set[str] = set()
    for index, field in enumerate(fields):
        where = field.get("jsonPath") or ""
        here = f"{path}[{index}].jsonPath"
        if not where.strip():
            causes.required(here)
            continue
        try:
            names = steps_of(where)
            if names[:1] == ["metadata"]:
                causes.invalid(here, where, "must not point to fields in metadata")
                continue
            found = schema_at(schema, where)
        except BadPath as error:
            causes.invalid(here, where, f"is an invalid path: {error}")
            continue
        if found.get("type") not in _SCALARS:
            causes.invalid(here, where, _NOT_SCALAR)
        if where in seen:
            causes.duplicate(here, where)
        seen.add(where)
