"""Server-side apply of a Scale: ownership is settled on the Scale, and kept in the object behind it.

Rule: who owns the object's replicas owns those of its Scale; who takes them there is noted in the object
as an owner through `scale`, without a time, as in the real server.
"""

from __future__ import annotations

from roost.api.crd.paths import steps_of
from roost.api.kind import Kind
from roost.api.patches.apply import apply_configuration
from roost.api.patches.fields import EMPTY, FieldSet
from roost.api.patches.managed import Entry, in_order, read_stored, write
from roost.api.schema.body import expected
from roost.api.values import Object
from roost.apiserver.customscale import UNSET
from roost.apiserver.options import WriteOptions
from roost.apiserver.scaling import scale_of, with_scale

_API_VERSION = "autoscaling/v1"
_IN_SCALE = FieldSet.of(("spec", "replicas"))


def applied_scale(
    kind: Kind, parent: Object, config: Object, options: WriteOptions, now: str
) -> tuple[Object, Object]:
    """Return the Scale that results and the object with its replicas and new owners.

    Raises Conflict where another owns the replicas, and what `apply_configuration` raises.
    """
    path = (
        tuple(steps_of(kind.replicas.spec)) if kind.replicas is not None else ("spec", "replicas")
    )
    replicas = FieldSet.of(path)
    entries = read_stored((parent.get("metadata") or {}).get("managedFields"))
    scale = scale_of(kind, parent, UNSET)
    write(scale, [_of_scale(entry) for entry in entries if entry.fields & replicas])
    wanted = apply_configuration(
        expected("autoscaling", "v1", "Scale").node, scale, config,
        manager=options.field_manager, force=bool(options.force), api_version=_API_VERSION,
        now=now, kind="Scale", subresource="scale", reset_fields=EMPTY,
    )  # fmt: skip
    after = read_stored(wanted["metadata"].get("managedFields"))
    changed = with_scale(parent, wanted, kind.replicas)
    write(changed, _owners(kind, entries, after, replicas))
    return wanted, changed


def _of_scale(entry: Entry) -> Entry:
    """Return the entry of an object's owner of replicas as one of its Scale."""
    return Entry(
        entry.manager, entry.operation, _API_VERSION, entry.subresource, entry.time, _IN_SCALE
    )


def _owners(kind: Kind, before: list[Entry], after: list[Entry], replicas: FieldSet) -> list[Entry]:
    """Return the object's entries, from those it had and those of the Scale that was written."""
    left = {entry.identity: entry for entry in after if entry.fields & _IN_SCALE}
    kept: list[Entry] = []
    for entry in before:
        if entry.fields & replicas and left.pop(_of_scale(entry).identity, None) is None:
            entry = entry.with_fields(entry.fields - replicas)
        if entry.fields:
            kept.append(entry)
    for entry in left.values():
        head = entry.manager, entry.operation, kind.api_version, entry.subresource
        kept.append(Entry(*head, None, replicas))
    return in_order(kept)
