"""Server-side apply: merge a configuration into the live object, and settle who owns what.

The applier owns what it sets. A field that another manager owns with another value is a conflict,
unless the applier forces; a field that it set the last time, no longer sets, and nobody else owns, is
removed. Managers of other versions of the group are held against the same schema: their fields have
the same names in all versions that Roost serves together.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from roost.api.depth import guarded
from roost.api.errors import BadRequest, Cause, Conflict, StatusError
from roost.api.patches.fields import EMPTY, FieldSet, Tree
from roost.api.patches.managed import (
    APPLY,
    BEFORE_FIRST_APPLY,
    UPDATE,
    Entry,
    Identity,
    in_order,
    of_known_versions,
    read_stored,
    write,
)
from roost.api.patches.merge_patch import TOO_DEEP
from roost.api.patches.merged import faults_of, merge
from roost.api.patches.typed import changes, field_set, with_named_fields, without_fields
from roost.api.schema.node import Node
from roost.api.values import Object

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_KUBECTL = "kubectl"
_loads = guarded(json.loads)
#: Fields of every object that nobody owns, whatever a configuration says.
_STRIPPED = FieldSet.of(
    ("apiVersion",), ("kind",), ("metadata",),
    *(("metadata", name) for name in (
        "name", "namespace", "creationTimestamp", "selfLink", "uid", "clusterName", "generation",
        "managedFields", "resourceVersion",
    )),
)  # fmt: skip
_STATUS = FieldSet.of(("status",))


class _Conflicts(Exception):
    """The fields that others own, by their entries."""

    def __init__(self, fields: list[tuple[Entry, FieldSet]]) -> None:
        super().__init__()
        self.fields = fields


def apply_configuration(
    node: Node,
    live: Object | None,
    config: Object,
    *,
    manager: str,
    force: bool,
    api_version: str,
    now: str,
    kind: str = "",
    subresource: str = "",
    reset_fields: FieldSet = _STATUS,
) -> Object:
    """Return the object that results, with its managedFields; `live` is None for a create.

    The configuration must be of `api_version` and `kind` (if that is given). The result still needs
    defaults. Raises Conflict (with a cause for each field) unless `force`,
    and BadRequest for a configuration that does not fit the schema or carries managedFields.
    """
    node = node.resolve()
    _check(node, config, api_version, kind)
    before = live if live is not None else _bare(config)
    metadata = before.get("metadata") or {}
    stored = of_known_versions(read_stored(metadata.get("managedFields")), api_version)
    entries = {entry.identity: entry for entry in stored}
    base = _without_managed(before)
    if not entries and live is not None:
        first = _everything(node, base, api_version, now)
        entries = {first.identity: first} if first.fields else {}
    owner = Entry(manager, APPLY, api_version, subresource, None, EMPTY)
    attempt = _Attempt(node, base, config, owner, reset_fields, entries)
    try:
        out, managed = attempt.run(force)
    except RecursionError:
        raise BadRequest(TOO_DEEP) from None
    except _Conflicts as conflicts:
        left = _not_from_last_applied(node, base, conflicts.fields, owner)
        if left:
            raise _conflict(left) from None
        out, managed = attempt.run(force=True)
    if out is None:
        out = dict(base)
    elif owner.identity in managed:
        managed[owner.identity] = _at(managed[owner.identity], now)
    if manager == _KUBECTL:
        _update_last_applied(out, config)
    write(out, in_order(list(managed.values())))
    return out


def _bare(config: Object) -> Object:
    return {key: config[key] for key in ("apiVersion", "kind") if key in config}


def _at(entry: Entry, now: str) -> Entry:
    return Entry(
        entry.manager, entry.operation, entry.api_version, entry.subresource, now, entry.fields
    )


def _without_managed(value: Object) -> Object:
    metadata = value.get("metadata")
    if not metadata or "managedFields" not in metadata:
        return value
    return {**value, "metadata": {k: v for k, v in metadata.items() if k != "managedFields"}}


def _check(node: Node, config: Object, api_version: str, kind: str) -> None:
    given = _text(config.get("apiVersion")), _text(config.get("kind"))
    if given != (api_version, kind or given[1]):
        raise BadRequest(f"invalid object type: {_gvk(*given)}")
    metadata = config.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    if metadata.get("managedFields") is not None:
        raise BadRequest("metadata.managedFields must be nil")
    try:
        faults = list(faults_of(node, config))
    except RecursionError:
        raise BadRequest(TOO_DEEP) from None
    if not faults:
        return
    told = faults[0] if len(faults) == 1 else "\n  ".join(["errors:", *faults])
    name = f"{_text(metadata.get('namespace'))}/{_text(metadata.get('name'))}"
    raise BadRequest(f"failed to create typed patch object ({name}; {_gvk(*given)}): {told}")


def _gvk(api_version: str, kind: str) -> str:
    """Return a kind as Go prints it: one of a version that is none is empty."""
    if api_version.count("/") > 1:
        api_version, kind = "", ""
    return f"{api_version if '/' in api_version else f'/{api_version}'}, Kind={kind}"


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _everything(node: Node, base: Object, api_version: str, now: str) -> Entry:
    """Return the entry that owns what an untracked object holds when it is first applied to."""
    fields, _ = changes(node, {}, base)
    return Entry(BEFORE_FIRST_APPLY, UPDATE, api_version, "", now, fields)


class _Attempt:
    """One apply, which may be run again with force."""

    def __init__(
        self,
        node: Node,
        live: Object,
        config: Object,
        owner: Entry,
        reset: FieldSet,
        entries: Mapping[Identity, Entry],
    ) -> None:
        self._node = node
        self._live = live
        self._owner = owner
        self._reset = reset
        self._before = entries
        self._config = config

    def run(self, force: bool) -> tuple[Object | None, dict[Identity, Entry]]:
        """Return (the new object or None if nothing changes, the entries); raise _Conflicts."""
        node, identity = self._node, self._owner.identity
        managed = dict(self._before)
        last = managed.get(identity)
        fields = field_set(node, self._config).without(self._reset)
        time = last.time if last is not None else None
        source = last.source if last is not None else None
        owner = Entry(*_head(self._owner), time, fields)
        managed[identity] = owner
        new = merge(node, self._live, self._config)
        if last is not None and last.fields:
            new = self._pruned(new, managed, last.fields.tree)
        self._settle(managed, new, force)
        kept = fields - _STRIPPED
        if not kept:
            managed.pop(identity, None)
        else:
            same = last is not None and kept == last.fields
            managed[identity] = Entry(*_head(owner), time, kept, source if same else None)
        return (None if new == self._live else new), managed

    def _settle(self, managed: dict[Identity, Entry], new: Object, force: bool) -> None:
        """Take changed and removed fields from the other managers, or raise _Conflicts."""
        claimed, removed = changes(self._node, self._live, new)
        claimed, removed = claimed.without(self._reset), removed.without(self._reset)
        others = [entry for key, entry in managed.items() if key != self._owner.identity]
        lost = [(entry, entry.fields & claimed) for entry in others] if claimed else []
        conflicts = [(entry, fields) for entry, fields in lost if fields]
        if conflicts and not force:
            raise _Conflicts(conflicts)
        for entry in others:
            left = entry.with_fields(entry.fields - claimed - removed)
            if left.fields:
                managed[entry.identity] = left
            else:
                del managed[entry.identity]

    def _pruned(self, merged: Object, managed: Mapping[Identity, Entry], last: Tree) -> Object:
        """Remove what was applied the last time and neither now nor by anybody else."""
        node = self._node
        named_last = with_named_fields(node, last)
        pruned = without_fields(node, merged, named_last) or {}
        owned = EMPTY
        for entry in managed.values():
            owned |= entry.fields
        everything = FieldSet(with_named_fields(node, field_set(node, merged).tree))
        kept = FieldSet(with_named_fields(node, field_set(node, pruned).tree))
        named_owned = FieldSet(with_named_fields(node, owned.tree))
        surplus = everything - (kept | named_owned)
        pruned = without_fields(node, merged, surplus.tree) or {}
        kept = FieldSet(with_named_fields(node, field_set(node, pruned).tree))
        gone = (everything - kept) & FieldSet(named_last)
        left = without_fields(node, merged, gone.tree) or {}
        # What is applied as empty has gone with what was in it: put it back.
        out: Object = merge(node, left, self._config)
        return out


def _head(entry: Entry) -> tuple[str, str, str, str]:
    return entry.manager, entry.operation, entry.api_version, entry.subresource


def _shown(entry: Entry) -> str:
    text = json.dumps(entry.manager, ensure_ascii=False)
    if entry.subresource:
        text = f'{text} with subresource "{entry.subresource}"'
    return f"{text} using {entry.api_version}" if entry.operation == UPDATE else text


def _identifier(entry: Entry) -> str:
    """Return what the real server knows a manager by; it sorts them so."""
    _, _, version, subresource = entry.identity
    parts = {"manager": entry.manager, "operation": entry.operation, "apiVersion": version,
             "subresource": subresource}  # fmt: skip
    told = {key: value for key, value in parts.items() if value}
    return json.dumps(told, separators=(",", ":"), ensure_ascii=False)


def _conflict(conflicts: list[tuple[Entry, FieldSet]]) -> StatusError:
    found = [
        (_shown(entry), path)
        for entry, fields in sorted(conflicts, key=lambda pair: _identifier(pair[0]))
        for path in fields
    ]
    causes = [Cause("FieldManagerConflict", f"conflict with {who}", path) for who, path in found]
    if len(found) == 1:
        (who, path) = found[0]
        message = f"Apply failed with 1 conflict: conflict with {who}: {path}"
    else:
        by_manager: dict[str, list[str]] = {}
        for who, path in found:
            by_manager.setdefault(who, [f"conflicts with {who}:"]).append(f"- {path}")
        lines = [line for who in by_manager for line in by_manager[who]]
        message = f"Apply failed with {len(found)} conflicts: " + "\n".join(lines)
    return Conflict(message, {"causes": [cause.to_json() for cause in causes]})


def _not_from_last_applied(
    node: Node, live: Object, conflicts: list[tuple[Entry, FieldSet]], owner: Entry
) -> list[tuple[Entry, FieldSet]]:
    """Return the conflicts that `kubectl apply` on the client's side did not cause.

    Whoever applied there may go on with server-side apply as "kubectl": what its annotation says, as
    far as it is still so, belongs to it.
    """
    annotations = (live.get("metadata") or {}).get("annotations") or {}
    text = annotations.get(LAST_APPLIED)
    if owner.manager != _KUBECTL or not text:
        return conflicts
    try:
        applied = _loads(text)
    except ValueError:
        return conflicts
    if not isinstance(applied, dict) or applied.get("apiVersion") != owner.api_version:
        return conflicts
    if any(True for _ in faults_of(node, applied)):
        return conflicts
    claimed, removed = changes(node, applied, live)
    allowed = field_set(node, applied) - claimed - removed
    left = [(entry, fields - allowed) for entry, fields in conflicts]
    return [(entry, fields) for entry, fields in left if fields]


def _update_last_applied(out: Object, config: Object) -> None:
    """Keep the annotation of client-side apply true where there is one."""
    metadata = out.get("metadata") or {}
    annotations = metadata.get("annotations") or {}
    if not annotations.get(LAST_APPLIED):
        return
    meta = dict(config.get("metadata") or {})
    if "annotations" in meta:
        meta["annotations"] = {
            key: value for key, value in meta["annotations"].items() if key != LAST_APPLIED
        }
    text = json.dumps({**config, "metadata": meta}, separators=(",", ":"), sort_keys=True,
                      ensure_ascii=False)  # fmt: skip
    out["metadata"] = {**metadata, "annotations": {**annotations, LAST_APPLIED: text + "\n"}}
