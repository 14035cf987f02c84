"""Field ownership (`metadata.managedFields`) of plain writes, as the pipeline needs it."""

from __future__ import annotations

from roost.api.kind import Kind
from roost.api.patches.managed import reset_fields, track_update
from roost.api.schema.node import Node
from roost.api.values import Object


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
