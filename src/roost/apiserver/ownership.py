"""Ownership as the pipeline needs it: of fields (`metadata.managedFields`), and of whole objects."""

from __future__ import annotations

from typing import Final

from roost.api.kind import Kind
from roost.api.patches.managed import reset_fields, track_update
from roost.api.schema.node import Node
from roost.api.values import Object

_REPEATED: Final = (
    ".metadata.ownerReferences contains duplicate entries{}; API server dedups owner references in"
    " 1.20+, and may reject such requests as early as 1.24; please fix your requests; duplicate"
    " UID(s) observed: {}"
)


def name_owners_once(value: Object, warnings: list[str], *, admitted: bool = False) -> None:
    """Take repeated owners out, and warn of them. `admitted`: plugins may have put them in."""
    metadata = value["metadata"]
    owners = metadata.get("ownerReferences")
    if not isinstance(owners, list) or len(owners) < 2:
        return
    kept: list[Object] = []
    repeated: list[str] = []
    for owner in owners:
        if owner in kept:
            repeated.append(owner.get("uid") or "")
        else:
            kept.append(owner)
    if repeated:
        metadata["ownerReferences"] = kept
        when = " after mutating admission happens" if admitted else ""
        warnings.append(_REPEATED.format(when, ", ".join(repeated)))


def own(
    kind: Kind,
    node: Node,
    old: Object | None,
    new: Object,
    subresource: str,
    manager: str,
    now: str,
) -> None:
    """Record that `manager` owns what it made or changed."""
    track_update(
        node, old, new, manager=manager, api_version=kind.api_version, now=now,
        subresource=subresource,
        reset_fields=reset_fields(
            kind.group, kind.plural, subresource, has_status="status" in kind.subresources
        ),
    )  # fmt: skip
