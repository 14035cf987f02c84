"""Claims for devices with admin access: only in namespaces that are labelled for it.

The real server looks at the namespace when it validates; here that is a plugin's business, for
validation sees nothing but the object.
"""

from __future__ import annotations

from typing import Any

from roost.api.errors import Cause, invalid
from roost.api.kind import Resource
from roost.api.values import Object
from roost.apiserver.admission.base import Base, name_of, resource_of, spec_of
from roost.apiserver.admission.port import Lookup
from roost.apiserver.attributes import Admission

_GROUP = "resource.k8s.io"
_CLAIMS, _TEMPLATES = (_GROUP, "resourceclaims"), (_GROUP, "resourceclaimtemplates")
_NAMESPACES = Resource("", "v1", "namespaces")
_LABEL = "resource.kubernetes.io/admin-access"
_TEXT = (
    f"Forbidden: admin access to devices requires the `{_LABEL}: true` label on the containing "
    "namespace"
)


class DeviceAdminAccess(Base):
    """Asks for the label where a claim, a template or an allocation has admin access."""

    name = "DeviceAdminAccess"
    resources = frozenset({_CLAIMS, _TEMPLATES})

    async def validate(self, request: Admission, lookup: Lookup) -> None:
        value = request.object
        if value is None:
            return
        path = ""
        if request.subresource == "status":
            if not _granted(request.old or {}):
                path = _granted(value)
        elif request.operation == "CREATE" and not request.subresource:
            spec = spec_of(value)
            path = _wanted(spec_of(spec) if resource_of(request) == _TEMPLATES else spec)
        if not path:
            return
        namespace = await lookup.get(_NAMESPACES, request.namespace) or {}
        labels = (namespace.get("metadata") or {}).get("labels") or {}
        if labels.get(_LABEL) != "true":
            cause = Cause("FieldValueForbidden", _TEXT, path)
            raise invalid(_GROUP, request.kind.name, name_of(request), [cause])


def _wanted(spec: Object) -> str:
    """Return where a claim asks for admin access, "" for nowhere."""
    requests = (spec.get("devices") or {}).get("requests") or []
    return _first([one.get("exactly") or {} for one in requests], "spec.devices.requests")


def _granted(value: Object) -> str:
    """Return where an allocation grants admin access, "" for nowhere."""
    allocation = (value.get("status") or {}).get("allocation") or {}
    results = (allocation.get("devices") or {}).get("results") or []
    return _first(results, "status.allocation.devices.results")


def _first(parts: list[Any], path: str) -> str:
    found = (at for at, part in enumerate(parts) if part.get("adminAccess") is True)
    return next((f"{path}[{at}].adminAccess" for at in found), "")
