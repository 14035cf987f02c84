"""ClusterRoles that are made of other ClusterRoles by label."""

from __future__ import annotations

from collections.abc import Iterable

from roost.api.selectors import label_selector
from roost.api.values import Object


def aggregated_rules(role: Object, roles: Iterable[Object]) -> list[Object] | None:
    """Return the rules that a role's aggregation rule selects, or None if it has none.

    Roles are taken in the order of their names, the role itself never, and equal rules once.
    """
    rule = role.get("aggregationRule")
    if not rule:
        return None
    own = role["metadata"]["name"]
    found: list[Object] = []
    ordered = sorted(roles, key=lambda other: str(other["metadata"]["name"]))
    for wanted in rule.get("clusterRoleSelectors") or ():
        selector = label_selector(wanted)
        for other in ordered:
            metadata = other["metadata"]
            if metadata["name"] == own or not selector.matches(metadata.get("labels")):
                continue
            found.extend(item for item in other.get("rules") or () if item not in found)
    return found
