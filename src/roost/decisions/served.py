"""What a server serves, for controllers that look at all resources (collector, namespaces)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from roost.api.kind import Kind, Resource
from roost.api.values import Object
from roost.decisions import conditions

_NEEDED = {"list", "watch", "delete"}


@dataclass(frozen=True, slots=True)
class Served:
    """One resource in the one version that controllers use."""

    resource: Resource
    kind: str
    namespaced: bool


def served_kinds(kinds: Iterable[Kind]) -> tuple[Served, ...]:
    """Return what can be listed, watched and deleted, each resource once.

    `kinds` come with the preferred version of a resource before its others.
    """
    found: dict[tuple[str, str], Served] = {}
    for kind in kinds:
        if set(kind.verbs) >= _NEEDED:
            key = (kind.group, kind.plural)
            found.setdefault(key, Served(kind.resource, kind.name, kind.namespaced))
    return tuple(found.values())


def served_definitions(definitions: Iterable[Object]) -> tuple[Served, ...]:
    """Return what established CustomResourceDefinitions add, in their storage versions."""
    found: list[Served] = []
    for definition in definitions:
        spec = definition["spec"]
        established = conditions.is_true(
            (definition.get("status") or {}).get("conditions"), "Established"
        )
        versions = [v for v in spec["versions"] if v.get("served")]
        if not established or not versions or "deletionTimestamp" in definition["metadata"]:
            continue
        version = next((v for v in versions if v.get("storage")), versions[0])["name"]
        names = spec["names"]
        resource = Resource(spec["group"], version, names["plural"])
        found.append(Served(resource, names["kind"], spec["scope"] == "Namespaced"))
    return tuple(sorted(found, key=lambda s: s.resource.api_version + "/" + s.resource.plural))
