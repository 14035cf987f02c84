"""Discovery of group versions that others serve, made from their resource lists. Pure.

Extension servers have the legacy document of each group version; the newer, aggregated form of it is
made here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from roost.api.registry import version_rank
from roost.api.values import Object


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """One group version that somebody else serves, with its APIResourceList."""

    group: str
    version: str
    resources: Object
    priority: int = 0
    rank: int = 0
    #: Whether its server may have an OpenAPI document of it.
    described: bool = False
    #: Did its server answer when it was last asked? If not, nothing is known of its resources.
    available: bool = True
    #: The OpenAPI v2 document of its server, {} if it has none.
    openapi: Object = field(default_factory=dict)

    @property
    def openapi_path(self) -> str:
        return f"apis/{self.group}/{self.version}"


def by_group(found: Iterable[Elsewhere]) -> Mapping[str, list[Elsewhere]]:
    """Sort group versions as discovery shows them: groups by priority, versions by theirs."""
    groups: dict[str, list[Elsewhere]] = {}
    for each in found:
        groups.setdefault(each.group, []).append(each)
    for versions in groups.values():
        versions.sort(key=lambda each: (-each.rank, version_rank(each.version)))
    order = sorted(groups, key=lambda name: (-max(v.priority for v in groups[name]), name))
    return {name: groups[name] for name in order}


def group_document(name: str, versions: Iterable[Elsewhere]) -> Object:
    """Return a group as it stands in the document of /apis."""
    listed = [{"groupVersion": f"{name}/{v.version}", "version": v.version} for v in versions]
    return {"name": name, "versions": listed, "preferredVersion": listed[0]}


def aggregated_group(name: str, versions: Iterable[Elsewhere]) -> Object:
    """Return a group as it stands in the aggregated document of /apis."""
    return {
        "metadata": {"name": name},
        "versions": [
            {
                "version": each.version,
                "resources": _resources(each.resources),
                "freshness": "Current",
            }
            if each.available
            else {"version": each.version, "freshness": "Stale"}
            for each in versions
        ],
    }


def _resources(document: Object) -> list[Object]:
    found: dict[str, Object] = {}
    for resource in document.get("resources") or ():
        plural, _, subresource = resource["name"].partition("/")
        kind = {
            "group": resource.get("group", ""),
            "version": resource.get("version", ""),
            "kind": resource.get("kind", ""),
        }
        verbs = sorted(resource.get("verbs") or ())
        if subresource:
            owner = found.get(plural)
            if owner is not None:
                owner.setdefault("subresources", []).append(
                    {"subresource": subresource, "responseKind": kind, "verbs": verbs}
                )
            continue
        entry: Object = {
            "resource": plural,
            "responseKind": kind,
            "scope": "Namespaced" if resource.get("namespaced") else "Cluster",
            "singularResource": resource.get("singularName", ""),
            "verbs": verbs,
        }
        for source, name in (("shortNames", "shortNames"), ("categories", "categories")):
            if resource.get(source):
                entry[name] = list(resource[source])
        found[plural] = entry
    return list(found.values())
