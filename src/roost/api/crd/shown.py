"""Schemas and rules of definitions as messages show them: the real server's internal types."""

from __future__ import annotations

from typing import Any

from roost.api.validation.causes import Structure
from roost.api.values import Object

#: (Go name, JSON name, what an unset one is shown as)
_FIELDS: tuple[tuple[str, str, Any], ...] = (
    ("ID", "id", ""), ("Schema", "$schema", ""), ("Ref", "$ref", None),
    ("Description", "description", ""), ("Type", "type", ""), ("Nullable", "nullable", False),
    ("Format", "format", ""), ("Title", "title", ""), ("Default", "default", None),
    ("Maximum", "maximum", None), ("ExclusiveMaximum", "exclusiveMaximum", False),
    ("Minimum", "minimum", None), ("ExclusiveMinimum", "exclusiveMinimum", False),
    ("MaxLength", "maxLength", None), ("MinLength", "minLength", None), ("Pattern", "pattern", ""),
    ("MaxItems", "maxItems", None), ("MinItems", "minItems", None),
    ("UniqueItems", "uniqueItems", False), ("MultipleOf", "multipleOf", None),
    ("Enum", "enum", None), ("MaxProperties", "maxProperties", None),
    ("MinProperties", "minProperties", None), ("Required", "required", None),
    ("Items", "items", None), ("AllOf", "allOf", None), ("OneOf", "oneOf", None),
    ("AnyOf", "anyOf", None), ("Not", "not", None), ("Properties", "properties", None),
    ("AdditionalProperties", "additionalProperties", None),
    ("PatternProperties", "patternProperties", None), ("Dependencies", "dependencies", None),
    ("AdditionalItems", "additionalItems", None), ("Definitions", "definitions", None),
    ("ExternalDocs", "externalDocs", None), ("Example", "example", None),
    ("XPreserveUnknownFields", "x-kubernetes-preserve-unknown-fields", None),
    ("XEmbeddedResource", "x-kubernetes-embedded-resource", False),
    ("XIntOrString", "x-kubernetes-int-or-string", False),
    ("XListMapKeys", "x-kubernetes-list-map-keys", None),
    ("XListType", "x-kubernetes-list-type", None), ("XMapType", "x-kubernetes-map-type", None),
    ("XValidations", "x-kubernetes-validations", None),
)  # fmt: skip
#: What a schema may say at its root when status is a subresource, in the order of the complaint.
_AT_ROOT = (
    "Description", "Type", "Format", "Title", "Maximum", "ExclusiveMaximum", "Minimum",
    "ExclusiveMinimum", "MaxLength", "MinLength", "Pattern", "MaxItems", "MinItems", "UniqueItems",
    "MultipleOf", "Required", "Items", "Properties", "ExternalDocs", "Example",
    "XPreserveUnknownFields", "XValidations",
)  # fmt: skip
ONLY_AT_ROOT = (
    f"only [{' '.join(_AT_ROOT)}] fields are allowed at the root of the schema if the status "
    "subresource is enabled"
)


def out_of_place(schema: Object) -> bool:
    """Tell whether a root schema says what it may not beside a status subresource."""
    return any(schema.get(key) and name not in _AT_ROOT for name, key, _ in _FIELDS)


def shown_rule(rule: Object) -> Structure:
    """Return a rule as it is shown."""
    return Structure(
        Rule=rule.get("rule") or "",
        Message=rule.get("message") or "",
        MessageExpression=rule.get("messageExpression") or "",
        Reason=rule.get("reason"),
        FieldPath=rule.get("fieldPath") or "",
        OptionalOldSelf=rule.get("optionalOldSelf"),
    )


def shown_schema(schema: Object) -> Structure:
    """Return a schema as it is shown."""
    return Structure((name, _shown(name, schema.get(key), unset)) for name, key, unset in _FIELDS)


def _shown(name: str, value: Any, unset: Any) -> Any:
    if value is None:
        return unset
    if name == "Items":
        if isinstance(value, list):
            return Structure(Schema=None, JSONSchemas=[shown_schema(one) for one in value])
        return Structure(Schema=shown_schema(value), JSONSchemas=None)
    if name in ("AdditionalProperties", "AdditionalItems"):
        is_schema = isinstance(value, dict)
        return Structure(
            Allows=is_schema or bool(value), Schema=shown_schema(value) if is_schema else None
        )
    if name == "Not":
        return shown_schema(value)
    if name in ("AllOf", "OneOf", "AnyOf"):
        return [shown_schema(one) for one in value]
    if name in ("Properties", "Definitions", "PatternProperties"):
        return Structure((key, shown_schema(part)) for key, part in sorted(value.items()))
    if name == "XValidations":
        return [shown_rule(rule) for rule in value]
    return value
