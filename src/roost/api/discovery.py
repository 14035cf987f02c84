"""Discovery: which groups, versions and resources a server has, from its registry.

Two forms of the same facts: the legacy documents of /api, /apis and below, and the aggregated ones
(`APIGroupDiscoveryList`) that newer clients get from /api and /apis by asking for their media type.
"""

from __future__ import annotations

import base64
import hashlib

from roost.api.groups import GROUP_ORDER
from roost.api.kind import Kind, Subresource
from roost.api.registry import Registry
from roost.api.values import Object

#: Versions of the aggregated form that clients may ask for.
AGGREGATED_VERSIONS = ("v2",)
#: The real server keeps these objects in an older form than it serves; clients see it in the hash.
_HASHED_VERSION = {
    ("apiextensions.k8s.io", "customresourcedefinitions"): "v1beta1",
    ("admissionregistration.k8s.io", "mutatingadmissionpolicies"): "v1beta1",
    ("admissionregistration.k8s.io", "mutatingadmissionpolicybindings"): "v1beta1",
}


def aggregated_media_type(version: str) -> str:
    """Return the media type of the aggregated form in one of its versions."""
    return f"application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList"


def api_versions(server_address: str) -> Object:
    """Return the document of /api; `server_address` is `host:port`."""
    return {
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [
            {"clientCIDR": "0.0.0.0/0", "serverAddress": server_address}
        ],
    }


def group_list(registry: Registry) -> Object:
    """Return the document of /apis."""
    groups = [_group(registry, group) for group in registry.groups() if group]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def group(registry: Registry, name: str) -> Object | None:
    """Return the document of /apis/NAME, or None if there is no such group."""
    if not name or not registry.versions(name):
        return None
    return {"kind": "APIGroup", "apiVersion": "v1", **_group(registry, name)}


def _group(registry: Registry, name: str) -> Object:
    versions = [
        {"groupVersion": f"{name}/{version}", "version": version}
        for version in registry.versions(name)
    ]
    return {"name": name, "versions": versions, "preferredVersion": versions[0]}


def resource_list(registry: Registry, group_name: str, version: str) -> Object | None:
    """Return the document of /apis/GROUP/VERSION (of /api/VERSION for ""), or None."""
    kinds = [k for k in registry.kinds() if (k.group, k.version) == (group_name, version)]
    if not kinds:
        return None
    resources: list[Object] = []
    for kind in kinds:
        resources.append(_resource(registry, kind))
        for name, subresource in sorted(kind.subresources.items()):
            resources.append(_subresource(kind, name, subresource))
    document: Object = {"kind": "APIResourceList"}
    if group_name:  # the core group's document is from before it was usual to say
        document["apiVersion"] = "v1"
    document["groupVersion"] = kinds[0].api_version
    document["resources"] = resources
    return document


def _verbs(kind: Kind) -> list[str]:
    """Return the verbs in the order of discovery: custom resources have one of their own."""
    if kind.group in GROUP_ORDER:
        return sorted(kind.verbs)
    if "create" in kind.verbs:
        return list(kind.verbs)
    # Its definition is going: objects can still be changed, but nobody is to be led to do so.
    return [verb for verb in kind.verbs if verb not in {"patch", "update"}]


def _resource(registry: Registry, kind: Kind) -> Object:
    resource: Object = {
        "name": kind.plural,
        "singularName": kind.singular,
        "namespaced": kind.namespaced,
        "kind": kind.name,
        "verbs": _verbs(kind),
    }
    if kind.short_names:
        resource["shortNames"] = list(kind.short_names)
    if kind.categories:
        resource["categories"] = list(kind.categories)
    if "watch" in kind.verbs:
        resource["storageVersionHash"] = storage_version_hash(registry.storage_kind(kind))
    return resource


def _subresource(kind: Kind, name: str, subresource: Subresource) -> Object:
    resource: Object = {
        "name": f"{kind.plural}/{name}",
        "singularName": "",
        "namespaced": kind.namespaced,
    }
    if subresource.group is not None:
        resource["group"] = subresource.group
        resource["version"] = subresource.version
    resource["kind"] = subresource.kind
    resource["verbs"] = sorted(subresource.verbs)
    return resource


def storage_version_hash(kind: Kind) -> str:
    """Return the hash by which clients see that the stored form of a resource has changed."""
    version = _HASHED_VERSION.get((kind.group, kind.plural), kind.version)
    digest = hashlib.sha256(f"{kind.group}/{version}/{kind.name}".encode()).digest()
    return base64.b64encode(digest[:8]).decode("ascii")


def aggregated(registry: Registry, version: str = "v2", *, core: bool) -> Object:
    """Return the aggregated document of /api (`core`) or of /apis."""
    groups = [name for name in registry.groups() if (name == "") == core]
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": f"apidiscovery.k8s.io/{version}",
        "metadata": {},
        "items": [_aggregated_group(registry, name) for name in groups],
    }


def _aggregated_group(registry: Registry, name: str) -> Object:
    kinds = [kind for kind in registry.kinds() if kind.group == name]
    return {
        "metadata": {"name": name} if name else {},
        "versions": [
            {
                "version": version,
                "resources": [_aggregated_resource(k) for k in kinds if k.version == version],
                "freshness": "Current",
            }
            for version in registry.versions(name)
        ],
    }


def _aggregated_resource(kind: Kind) -> Object:
    resource: Object = {
        "resource": kind.plural,
        "responseKind": {"group": "", "version": "", "kind": kind.name},
        "scope": "Namespaced" if kind.namespaced else "Cluster",
        "singularResource": kind.singular,
        "verbs": _verbs(kind),
    }
    if kind.short_names:
        resource["shortNames"] = list(kind.short_names)
    if kind.categories:
        resource["categories"] = list(kind.categories)
    if kind.subresources:
        resource["subresources"] = [
            {
                "subresource": name,
                "responseKind": {
                    "group": sub.group or "",
                    "version": sub.version or "",
                    "kind": sub.kind,
                },
                "verbs": sorted(sub.verbs),
            }
            for name, sub in sorted(kind.subresources.items())
        ]
    return resource
