"""Finds kinds by what people call them: "pods", "po", "Deployment", "deployments.apps"."""

from __future__ import annotations

from roost.api.kind import Kind, Resource
from roost.api.registry import Registry

Named = Resource | str


class UnknownKindError(ValueError):
    """No kind of this name is served."""


def find_kind(registry: Registry, name: Named) -> Kind:
    """Return the kind that a name means; raises UnknownKindError."""
    if isinstance(name, Resource):
        found = registry.find(name.group, name.version, name.plural)
        if found is not None:
            return found
        raise UnknownKindError(f"the server doesn't have a resource type {name.plural!r}")
    wanted, _, group = name.lower().partition(".")
    for kind in registry.kinds():
        if group and kind.group != group:
            continue
        if wanted in (kind.plural, kind.name.lower(), kind.singular, *kind.short_names):
            return kind
    raise UnknownKindError(f"the server doesn't have a resource type {name!r}")
