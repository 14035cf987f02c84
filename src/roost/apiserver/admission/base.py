"""What plugins share: the plugin that does nothing, which others extend, and how one refuses.

`resources` says which resources a plugin looks at (None: all); chain.py uses it to ask only those
that a request concerns.
"""

from __future__ import annotations

from typing import TypeAlias

from roost.api.errors import Forbidden
from roost.api.values import Object
from roost.apiserver.access.refusals import refused
from roost.apiserver.admission.port import Lookup
from roost.apiserver.attributes import Admission

Resources: TypeAlias = frozenset[tuple[str, str]]

PODS = ("", "pods")
NAMESPACES = ("", "namespaces")
NODES = ("", "nodes")
CLAIMS = ("", "persistentvolumeclaims")
VOLUMES = ("", "persistentvolumes")

MIRROR = "kubernetes.io/config.mirror"


class Base:
    """A plugin that lets everything pass."""

    name: str = ""
    #: (group, plural) of what the plugin looks at; None: everything.
    resources: Resources | None = None

    async def admit(self, request: Admission, lookup: Lookup) -> None:
        """Look at, and perhaps change, what is asked."""

    async def validate(self, request: Admission, lookup: Lookup) -> None:
        """Look at what will be stored."""


def resource_of(request: Admission) -> tuple[str, str]:
    return request.kind.group, request.kind.plural


def name_of(request: Admission) -> str:
    """Return the name of what is asked for, or what it will be made from."""
    if request.name:
        return request.name
    metadata = (request.object or {}).get("metadata") or {}
    return metadata.get("name") or metadata.get("generateName") or "Unknown"


def refuse(request: Admission, why: str) -> Forbidden:
    """Return `pods "x" is forbidden: why`."""
    return refused(request.kind.group, request.kind.plural, name_of(request), why)


def is_creation(request: Admission, resource: tuple[str, str]) -> bool:
    """Is this the creation of an object of a resource, and not of a subresource?"""
    return (
        request.operation == "CREATE"
        and not request.subresource
        and resource_of(request) == resource
    )


def spec_of(obj: Object) -> Object:
    """Return the spec of an object to read: what is asked for may leave it out."""
    found: Object = obj.get("spec") or {}
    return found


def containers_of(spec: Object, *, ephemeral: bool = False) -> list[Object]:
    """Return the init containers, containers (and ephemeral containers) of a pod, in that order."""
    fields = ("initContainers", "containers", "ephemeralContainers" if ephemeral else "")
    return [container for field in fields for container in spec.get(field) or ()]


def is_mirror(pod: Object) -> bool:
    return MIRROR in (pod["metadata"].get("annotations") or {})
