"""Judges the schemas and selectable fields of a definition: what `validate` of its kind says beside
the rest.
"""

from __future__ import annotations

from roost.api.crd.embedded import check_embedded
from roost.api.crd.expressions import check_expressions
from roost.api.crd.nodes import node_of
from roost.api.crd.paths import BadPath, schema_at, steps_of
from roost.api.crd.rules import Run, check_rules, compile_rules
from roost.api.crd.shown import ONLY_AT_ROOT, out_of_place, shown_schema
from roost.api.crd.structural import check_structure
from roost.api.crd.values import ABSENT, compile_schema
from roost.api.crd.words import check_words, unstructural
from roost.api.errors import Cause
from roost.api.schema.node import Node
from roost.api.schema.structural import prune_object
from roost.api.validation.causes import Causes
from roost.api.values import Object

_EMBEDDED = "x-kubernetes-embedded-resource"
_META = ("metadata", "kind", "apiVersion")
_SELECTABLE_MAX = 8
_SCALARS = ("string", "boolean", "integer")
_NOT_SCALAR = (
    "must point to a field of type string, boolean or integer. Enum string fields and strings with "
    "formats are allowed."
)


def check_schema(schema: Object, path: str, causes: Causes, *, status: bool = False) -> None:
    """Check one schema: its structure, its defaults, its words, its rules.

    `status`: is the status of these objects a subresource?
    """
    found = Causes()
    _check_root(schema, path, found, status=status)
    unfit, before = unstructural(schema), len(found)
    if not unfit:
        check_structure(schema, path, found)
        if len(found) == before:
            check_defaults(schema, path, found)
    structural = not unfit and len(found) == before
    words = Causes()
    check_words(schema, path, words)
    if structural:
        check_expressions(schema, path, words)
    found.extend(words)
    if unfit and not found:
        found.invalid(path, "", unfit)
    causes.extend(found)


def _check_root(schema: Object, path: str, causes: Causes, *, status: bool) -> None:
    kind = schema.get("type") or ""
    if status and kind and kind != "object":
        text = (
            'only "object" is allowed as the type at the root of the schema if the status '
            "subresource is enabled"
        )
        causes.invalid(f"{path}.type", kind, text)
    elif status and out_of_place(schema):
        causes.invalid(path, shown_schema(schema), ONLY_AT_ROOT)
    if schema.get("nullable"):
        causes.forbidden(f"{path}.nullable", "nullable cannot be true at the root")


def check_defaults(schema: Object, path: str, causes: Causes) -> None:
    """Check that every default is what its schema allows, and nothing more."""
    _walk_defaults({**schema, _EMBEDDED: True}, path, causes, Run(Causes()), root=True)


def _walk_defaults(
    schema: Object, path: str, causes: Causes, run: Run, *, root: bool = False
) -> None:
    default = schema.get("default")
    if default is not None:
        _check_default(schema, default, f"{path}.default", causes, run)
    if run.left < 0:
        return
    if isinstance(schema.get("items"), dict):
        _walk_defaults(schema["items"], f"{path}.items", causes, run)
    for name, part in sorted((schema.get("properties") or {}).items()):
        # Parts of metadata have no defaults of their own at the top: others complain of those.
        if not (root and name in _META):
            _walk_defaults(part, f"{path}.properties[{name}]", causes, run)


def _check_default(schema: Object, default: object, path: str, causes: Causes, run: Run) -> None:
    node = node_of(schema)
    if isinstance(default, dict | list):
        _, unknown = prune_object(Node(fields={"it": node}), {"it": default})
        if unknown:
            causes.invalid(path, default, "must not have unknown fields")
    found = Causes()
    check_embedded(node, default, path, found)
    if not found:
        compile_schema(schema)(default, ABSENT, "", found)
        found[:] = [_at(path, cause) for cause in found]
    if not found:
        _run_rules(schema, default, path, found, run)
    causes.extend(found)


def _at(path: str, cause: Cause) -> Cause:
    """Return a complaint about a part of a default, with where the default is."""
    inner = cause.field.removeprefix(".")
    field = path if inner in ("", "<nil>") else f"{path}.{inner}"
    return Cause(cause.reason, cause.message, field)


def _run_rules(schema: Object, default: object, path: str, causes: Causes, run: Run) -> None:
    """Run the rules over a default: as if it was there before, and as if it is new."""
    ruled = compile_rules(schema, is_object=bool(schema.get(_EMBEDDED)))
    if ruled is None:
        return
    run.causes, before = causes, run.left
    check_rules(ruled, default, default, run, path)
    if causes:
        return
    left, run.left = run.left, before
    check_rules(ruled, default, ABSENT, run, path)
    run.left = min(left, run.left)


def check_selectable(version: Object, path: str, causes: Causes) -> None:
    """Check the selectable fields of a version."""
    schema = (version.get("schema") or {}).get("openAPIV3Schema") or {}
    fields = version.get("selectableFields") or []
    seen: set[str] = set()
    for index, field in enumerate(fields):
        where = field.get("jsonPath") or ""
        here = f"{path}[{index}].jsonPath"
        if not where:
            causes.required(here)
            continue
        try:
            found = schema_at(schema, where, brackets=False)
        except BadPath as error:
            causes.invalid(here, where, f"is an invalid path: {error}")
            continue
        if steps_of(where)[:1] == ["metadata"]:
            causes.invalid(here, where, "must not point to fields in metadata")
        if found.get("type") not in _SCALARS:
            causes.invalid(here, where, _NOT_SCALAR)
        if where in seen:
            causes.duplicate(here, where)
        seen.add(where)
    if len(seen) > _SELECTABLE_MAX:
        causes.too_many(path, len(seen), _SELECTABLE_MAX)
