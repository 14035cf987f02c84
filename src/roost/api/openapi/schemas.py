"""Definitions for OpenAPI documents: schemas with their descriptions, in the form of v2 or of v3.

Built-in definitions come from the schema file, in v2 form; those of custom resources are given, in
v3 form, by whoever registers their kinds. Each is made over into the other form here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from roost.api.kind import Kind
from roost.api.schema import document
from roost.api.schema.document import REFERENCE
from roost.api.schema.nodes import node
from roost.api.values import Object, Value

REFERENCE_V3 = "#/components/schemas/"
#: Schemas of custom resources by definition name, in OpenAPI v3 form with v3 references.
Custom = Mapping[str, Object]

_META = "io.k8s.apimachinery.pkg.apis.meta.v1."
_UNIONS: dict[str, Object] = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": {
        "oneOf": [{"type": "string"}, {"type": "number"}]
    },
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": {
        "oneOf": [{"type": "integer"}, {"type": "string"}],
        "format": "int-or-string",
    },
}
_ZEROS: dict[str, Value] = {"string": "", "integer": 0, "number": 0, "boolean": False}
#: References to these are to values that are always there, so that {} is their default.
_STRUCTURES = ("metadata", "spec", "status", "template")
_TYPE = ("apiVersion", "kind")
#: The list whose descriptions of these fields are those of every list.
_LIST_TEXTS = "io.k8s.api.core.v1.ConfigMapList"
_CONVENTIONS = "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md"
_LIST_METADATA = (
    "Standard list metadata. More info: https://git.k8s.io/community/contributors/devel/"
    "sig-architecture/api-conventions.md#types-kinds"
)
_PRESERVE = "x-kubernetes-preserve-unknown-fields"
_GVK = "x-kubernetes-group-version-kind"
#: What v2 knows of a schema; all else is left out.
_V2_KEYS = {
    "description", "format", "items", "properties", "additionalProperties", "required", "type",
    "enum", "default", "maximum", "minimum", "maxLength", "minLength", "pattern", "maxItems",
    "minItems", "uniqueItems",
}  # fmt: skip


def closure(names: Iterable[str], custom: Custom) -> Iterator[tuple[str, Object]]:
    """Yield definitions, in the form they are kept in, and all that they refer to, by name."""
    wanted, seen = sorted(names), set()
    builtin = set(document.names())
    while wanted:
        name = wanted.pop()
        if name in seen or (name not in builtin and name not in custom):
            continue
        seen.add(name)
        schema = custom[name] if name in custom else document.definition(name)
        wanted.extend(_references(schema))
        yield name, schema


def _references(schema: Value) -> Iterator[str]:
    if isinstance(schema, list):
        for item in schema:
            yield from _references(item)
    elif isinstance(schema, dict):
        for key, value in schema.items():
            if key == "$ref" and isinstance(value, str):
                yield value.rpartition("/")[2]
            else:
                yield from _references(value)


def described(schema: Object, texts: Mapping[str, str]) -> Object:
    """Return a definition of the schema file with its descriptions."""
    made = dict(schema)
    if "" in texts:
        made["description"] = texts[""]
    properties = schema.get("properties")
    if properties:
        made["properties"] = {
            name: {**inner, "description": texts[name]} if name in texts else inner
            for name, inner in properties.items()
        }
    return made


def to_v3(name: str, schema: Object) -> Object:
    """Return a described definition in v3 form."""
    made = {key: value for key, value in schema.items() if key != "properties"}
    if name in _UNIONS:
        del made["type"]
        return {**made, **_UNIONS[name]}
    required = schema.get("required", ())
    if "properties" in schema:
        # The document states few defaults; the nodes know them.
        fields = node(name).resolve().fields
        made["properties"] = {
            field: _property_v3(field, inner, fields[field].default, required=field in required)
            for field, inner in schema["properties"].items()
        }
    return made


def _property_v3(name: str, schema: Object, default: Value, *, required: bool) -> Object:
    made = _nested_v3(schema, element=False)
    if default is not None:
        made["default"] = default
    elif "allOf" in made or "$ref" in made:
        if required or name in _STRUCTURES:
            made["default"] = {}
    elif required and made.get("type") in _ZEROS:
        made["default"] = _ZEROS[made["type"]]
    return made


def _nested_v3(schema: Object, *, element: bool) -> Object:
    reference = schema.get("$ref")
    if reference is not None:
        target = {"$ref": REFERENCE_V3 + reference.removeprefix(REFERENCE)}
        rest = {key: value for key, value in schema.items() if key != "$ref"}
        if element and reference.rpartition(".")[2] not in {"Quantity", "IntOrString"}:
            rest["default"] = {}
        return {**rest, "allOf": [target]} if rest else target
    made = dict(schema)
    for key in ("items", "additionalProperties"):
        if isinstance(made.get(key), dict):
            made[key] = _nested_v3(made[key], element=True)
    if element and made.get("type") in _ZEROS and made.get("format") != "byte":
        made["default"] = _ZEROS[made["type"]]
    return made


def custom_to_v2(schema: Object) -> Object:
    """Return the schema of a custom resource in v2 form, less what v2 cannot say."""
    reference = schema.get("$ref") or next(
        (part["$ref"] for part in schema.get("allOf", ()) if "$ref" in part), None
    )
    if isinstance(reference, str):
        made: Object = {"$ref": REFERENCE + reference.rpartition("/")[2]}
        if "description" in schema:
            made["description"] = schema["description"]
        return made
    made = {k: v for k, v in schema.items() if k in _V2_KEYS or k.startswith("x-kubernetes-")}
    if schema.get("nullable"):
        made.pop("type", None)  # v2 clients would refuse null
    if schema.get("nullable") or schema.get(_PRESERVE):
        # Older kubectls refuse null, and what they do not know, where anything is known.
        made.pop("items", None)
        made.pop("properties", None)
    if made.get("type") == "array" and "items" not in made:
        del made["type"]
    _require_no_null(made)
    if "properties" in made:
        made["properties"] = {k: custom_to_v2(v) for k, v in made["properties"].items()}
    for key in ("items", "additionalProperties"):
        if isinstance(made.get(key), dict):
            made[key] = custom_to_v2(made[key])
    if schema.get("x-kubernetes-int-or-string"):
        made.pop("type", None)
    return made


def _require_no_null(schema: Object) -> None:
    """Take from `required` what may be null: without a type it is as good as absent."""
    optional = {k for k, v in schema.get("properties", {}).items() if v.get("nullable")}
    required = [name for name in schema.get("required", ()) if name not in optional]
    if "required" in schema:
        schema["required"] = required
    if not required:
        schema.pop("required", None)


def definition_to_v2(schema: Object) -> Object:
    """Return the whole schema of a custom resource in v2 form."""
    if not schema.get(_PRESERVE):
        return custom_to_v2(schema)
    # Not even apiVersion and metadata: kubectl would take what is said for all that there is.
    return {"type": "object", **{key: schema[key] for key in (_GVK,) if key in schema}}


def list_schema(kind: Kind) -> Object:
    """Return the v3 schema of the list of a custom resource."""
    texts = document.descriptions().get(_LIST_TEXTS, {})
    own = {name: {"description": texts.get(name, ""), "type": "string"} for name in _TYPE}
    items = [{"$ref": REFERENCE_V3 + kind.schema}]
    about = f"List of {kind.plural}. More info: {_CONVENTIONS}"
    return {
        "description": f"{kind.list_kind} is a list of {kind.name}",
        "type": "object",
        "required": ["items"],
        "properties": {
            **own,
            "metadata": {
                "description": _LIST_METADATA,
                "allOf": [{"$ref": f"{REFERENCE_V3}{_META}ListMeta"}],
            },
            "items": {"description": about, "type": "array", "items": {"allOf": items}},
        },
        "x-kubernetes-group-version-kind": [
            {"group": kind.group, "version": kind.version, "kind": kind.list_kind}
        ],
    }
