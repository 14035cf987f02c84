"""Definitions to kinds: everything about a custom resource is worked out once, when its definition
changes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from roost.api.columns.custom import compile_path, custom_columns
from roost.api.crd.converting import SWAPPED, Converters, conversion
from roost.api.crd.embedded import check_embedded, has_embedded
from roost.api.crd.lists import check_lists, has_promises
from roost.api.crd.nodes import node_of, root_node
from roost.api.crd.rules import BLOCKING, UNCHECKED, Ruled, Run, check_rules, compile_rules
from roost.api.crd.strategy import CustomStrategy, finalizer_warnings
from roost.api.crd.values import ABSENT, Check, compile_schema
from roost.api.errors import Cause
from roost.api.kind import READ_WRITE, Change, Kind, ReplicaPaths, Subresource
from roost.api.registry import version_rank
from roost.api.schema.node import Node
from roost.api.schema.structural import default_object
from roost.api.validation import metadata
from roost.api.validation.causes import Causes
from roost.api.values import Object

_INT32_MAX = (1 << 31) - 1
#: In the order in which discovery lists them.
_VERBS = ("delete", "deletecollection", "get", "list", "patch", "create", "update", "watch")
_OWN_FIELDS = ("apiVersion", "kind", "metadata")


@dataclass(frozen=True, slots=True)
class Served:
    """One version of a custom resource, ready to be served."""

    kind: Kind
    node: Node
    #: As published by OpenAPI: the schema as it was given.
    schema: Object
    #: What is filled in, None if the schema has no defaults.
    defaults: Node | None


def definition_name(group: str, version: str, kind: str) -> str:
    """Return the name of a kind's schema: the group backwards, version, kind."""
    return ".".join([*reversed(group.split(".")), version, kind])


def has_defaults(node: Node) -> bool:
    """Does anything in a schema have a default?"""
    parts = [*node.fields.values(), node.values, node.items]
    return node.default is not None or any(
        part is not None and has_defaults(part) for part in parts
    )


def bare_node(schema: Object) -> Node:
    """Return the node of a schema without what every object has: that has no defaults."""
    made = node_of(schema)
    made.fields = {name: inner for name, inner in made.fields.items() if name not in _OWN_FIELDS}
    return made


def served_of(definition: Object, by: Converters = SWAPPED, *, stale: bool = False) -> list[Served]:
    """Return the served versions of a definition. `stale`: some stored objects are not what the
    storage version's schema makes of them, and must be made over when they are read.
    """
    spec = definition["spec"]
    group = spec["group"]
    versions = spec["versions"]
    schemas = {v["name"]: (v.get("schema") or {}).get("openAPIV3Schema") or {} for v in versions}
    storage = next(v["name"] for v in versions if v.get("storage"))
    bare = {f"{group}/{name}": bare_node(schema) for name, schema in schemas.items()}
    defaults = {name: node for name, node in bare.items() if has_defaults(node)}
    names = accepted(definition)
    nodes = {
        f"{group}/{name}": root_node(group, name, names.get("kind", ""), schema)
        for name, schema in schemas.items()
    }
    made = []
    for version in versions:
        if not version.get("served"):
            continue
        own = f"{group}/{version['name']}"
        kind = _kind(definition, version, storage, bare[own])
        if stale or version["name"] != storage:
            moved = conversion(own, f"{group}/{storage}", nodes, defaults, by)
            kind = replace(kind, convert=moved, storage_version=storage)
        made.append(Served(kind, nodes[own], schemas[version["name"]], defaults.get(own)))
    return made


def accepted(definition: Object) -> Object:
    """Return the names under which a definition is served: those that were accepted."""
    names: Object = definition["spec"]["names"]
    return (definition.get("status") or {}).get("acceptedNames") or names


def _kind(definition: Object, version: Object, storage: str, bare: Node) -> Kind:
    spec, names = definition["spec"], accepted(definition)
    group, name = spec["group"], version["name"]
    kind_name = names.get("kind", "")
    namespaced = spec.get("scope") == "Namespaced"
    subresources = version.get("subresources") or {}
    scale = subresources.get("scale")
    offered: dict[str, Subresource] = {}
    if subresources.get("status") is not None:
        offered["status"] = Subresource(READ_WRITE, kind_name)
    paths = None
    if scale is not None:
        offered["scale"] = Subresource(READ_WRITE, "Scale", "autoscaling", "v1")
        paths = ReplicaPaths(
            scale["specReplicasPath"],
            scale["statusReplicasPath"],
            scale.get("labelSelectorPath") or "",
        )
    schema = (version.get("schema") or {}).get("openAPIV3Schema") or {}
    return Kind(
        group=group,
        version=name,
        name=kind_name,
        plural=names.get("plural", ""),
        namespaced=namespaced,
        schema=definition_name(group, name, kind_name),
        verbs=_VERBS,
        singular=names.get("singular", ""),
        list_name=names.get("listKind", ""),
        short_names=tuple(names.get("shortNames") or ()),
        categories=tuple(names.get("categories") or ()),
        subresources=offered,
        columns=custom_columns(version.get("additionalPrinterColumns")),
        fields={
            f["jsonPath"].removeprefix("."): _selected(f["jsonPath"])
            for f in version.get("selectableFields") or ()
        },
        default=_default(bare),
        prepare=CustomStrategy(has_status="status" in offered),
        validate=Judge(schema, namespaced=namespaced, replicas=paths),
        unconditional_update=False,
        warning=_warning(spec, version, kind_name),
        replicas=paths,
        storage_version=None if name == storage else storage,
    )


def _default(bare: Node) -> Callable[[Change], None]:
    return lambda change: default_object(bare, change.object)


def _selected(path: str) -> Callable[[Object], str]:
    find = compile_path(path)

    def value(of: Object) -> str:
        found = find(of)
        if not found or found[0] is None:
            return ""
        return str(found[0]).lower() if isinstance(found[0], bool) else str(found[0])

    return value


def _warning(spec: Object, version: Object, kind_name: str) -> str:
    """Return what is answered beside every use of a deprecated version."""
    if not version.get("deprecated"):
        return ""
    if version.get("deprecationWarning"):
        return str(version["deprecationWarning"])
    group, name = spec["group"], version["name"]
    text = f"{group}/{name} {kind_name} is deprecated"
    newer = [
        other["name"]
        for other in spec["versions"]
        if other.get("served")
        and not other.get("deprecated")
        and version_rank(other["name"]) < version_rank(name)
    ]
    if not newer:
        return text
    return f"{text}; use {group}/{min(newer, key=version_rank)} {kind_name}"


class Judge:
    """The `validate` hook of a custom resource: metadata, schema, replicas, lists, rules."""

    __slots__ = ("_embedded", "_lists", "_namespaced", "_replicas", "_rules", "_schema")

    def __init__(self, schema: Object, *, namespaced: bool, replicas: ReplicaPaths | None) -> None:
        self._schema: Check = compile_schema({k: v for k, v in schema.items() if k != "nullable"})
        self._rules: Ruled | None = compile_rules(schema)
        node = node_of(schema)
        self._lists = node if has_promises(node) else None
        self._embedded = node if has_embedded(node) else None
        self._namespaced = namespaced
        self._replicas = replicas

    def __call__(self, change: Change) -> list[Cause]:
        causes = Causes()
        value, old = change.object, change.old
        self._metadata(value, old, causes)
        judged = Causes()
        self._schema(value, ABSENT if old is None else old, "", judged)
        self._check_replicas(value, judged)
        if self._embedded is not None:
            check_embedded(self._embedded, value, "", judged)
        self._check_lists(value, old, judged)
        if self._rules is not None:
            if any(cause.reason in BLOCKING for cause in [*causes, *judged]):
                judged.invalid("<nil>", None, UNCHECKED)
            else:
                run = Run(judged, change.warnings)
                check_rules(self._rules, value, ABSENT if old is None else old, run)
        if not causes and not judged and not change.subresource:
            change.warnings.extend(finalizer_warnings(value, old))
        return [*causes, *judged]

    def _metadata(self, value: Object, old: Object | None, causes: Causes) -> None:
        meta = value.get("metadata") or {}
        if old is None:
            metadata.on_create(meta, causes, namespaced=self._namespaced, strict_finalizers=False)
            return
        before = old.get("metadata") or {}
        metadata.on_update(meta, before, causes)
        if causes:  # the registry and then the strategy look at metadata: it is said twice
            metadata.on_update(meta, before, causes)

    def _check_replicas(self, value: Object, causes: Causes) -> None:
        if self._replicas is None:
            return
        for path in (self._replicas.spec, self._replicas.status):
            found = compile_path(path)(value)
            number = found[0] if found else None
            if isinstance(number, int) and not isinstance(number, bool):
                if number < 0:
                    causes.invalid(path, number, "should be a non-negative integer")
                elif number > _INT32_MAX:
                    causes.invalid(path, number, f"should be less than or equal to {_INT32_MAX}")

    def _check_lists(self, value: Any, old: Any, causes: Causes) -> None:
        if self._lists is None:
            return
        found = Causes()
        check_lists(self._lists, value, "", found)
        if found and old is not None:
            before = Causes()
            check_lists(self._lists, old, "", before)
            if before:
                return
        causes.extend(found)
