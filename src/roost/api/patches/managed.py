"""Who owns which field: keeps `metadata.managedFields` up to date when an object is written.

An entry belongs to a manager, an operation, a subresource and (for updates) an API version. A write
takes the fields that it changed from all others; an entry that owns nothing is gone; its time moves
only when it gained fields. Objects whose ownership was cleared stay untracked until somebody applies.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Any, TypeAlias

from roost.api.patches.fields import EMPTY, FieldSet
from roost.api.patches.typed import changes
from roost.api.schema.node import Node
from roost.api.values import Object

UPDATE = "Update"
APPLY = "Apply"
#: More update entries than this are merged into one, oldest first.
UPDATE_MANAGERS_MAX = 10
ANCIENT = "ancient-changes"
BEFORE_FIRST_APPLY = "before-first-apply"
MANAGER_MAX_BYTES = 128

#: Where kinds of several groups were born.
_OLD_HOME = "extensions/v1beta1"

#: (manager, operation, API version or "" of an apply, subresource)
Identity: TypeAlias = tuple[str, str, str, str]

_STATUS = FieldSet.of(("status",))
_SPEC = FieldSet.of(("spec",))
_METADATA_AND_SPEC = FieldSet.of(("metadata",), ("spec",))
#: What a write through a subresource ("" is the resource itself) cannot own, beside the general rule.
_RESET: dict[tuple[str, str, str], FieldSet] = {
    ("", "pods", "status"): FieldSet.of(
        ("spec",), ("metadata", "deletionTimestamp"), ("metadata", "ownerReferences")
    ),
    ("certificates.k8s.io", "certificatesigningrequests", ""): _SPEC | _STATUS,
    ("apps", "deployments", "status"): FieldSet.of(("spec",), ("metadata", "labels")),
    ("", "namespaces", "finalize"): _STATUS,
    ("", "pods", "ephemeralcontainers"): _STATUS,
    ("", "pods", "resize"): _STATUS,
    **{
        (group, plural, "status"): _METADATA_AND_SPEC
        for group, plural in (
            ("admissionregistration.k8s.io", "validatingadmissionpolicies"),
            ("apiextensions.k8s.io", "customresourcedefinitions"),
            ("apiregistration.k8s.io", "apiservices"),
            ("flowcontrol.apiserver.k8s.io", "flowschemas"),
            ("flowcontrol.apiserver.k8s.io", "prioritylevelconfigurations"),
            ("resource.k8s.io", "resourceclaims"),
            ("storage.k8s.io", "volumeattachments"),
        )
    },
}


def reset_fields(group: str, plural: str, subresource: str, *, has_status: bool = True) -> FieldSet:
    """Return the fields that a write to a resource never owns: status, or through status, spec.

    `has_status` says whether the resource has a status subresource; without one, nothing is reset.
    """
    if not has_status:
        return EMPTY
    known = _RESET.get((group, plural, subresource))
    if known is not None:
        return known
    return {"": _STATUS, "status": _SPEC}.get(subresource, EMPTY)


def manager_of(field_manager: str | None, user_agent: str) -> str:
    """Return the manager of a request: the one named, else the first word of the user agent."""
    if field_manager:
        return field_manager
    prefix = user_agent.partition("/")[0]
    out = ""
    for letter in prefix:
        if letter.isprintable():
            if len((out + letter).encode()) > MANAGER_MAX_BYTES:
                break
            out += letter
    return out


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry: who, how, through what. `source` is the JSON it was read from, as long as it holds."""

    manager: str
    operation: str
    api_version: str
    subresource: str
    time: str | None  # RFC 3339
    fields: FieldSet
    source: Object | None = None

    @property
    def identity(self) -> Identity:
        version = "" if self.operation == APPLY else self.api_version
        return self.manager, self.operation, version, self.subresource

    def with_fields(self, fields: FieldSet) -> Entry:
        if fields is self.fields:
            return self
        return replace(self, fields=fields, source=None)

    def to_json(self) -> Object:
        if self.source is not None:
            return self.source
        body: Object = {
            "manager": self.manager,
            "operation": self.operation,
            "apiVersion": self.api_version,
        }
        if self.time is not None:
            body["time"] = self.time
        body["fieldsType"] = "FieldsV1"
        body["fieldsV1"] = self.fields.to_json()
        if self.subresource:
            body["subresource"] = self.subresource
        return body


@lru_cache(maxsize=64)
def _seconds(time: str | None) -> int:
    if not time:
        return 0
    try:
        return int(datetime.fromisoformat(time).timestamp())
    except ValueError:
        return 0


def read_stored(bodies: Any) -> list[Entry]:
    """Return the entries of a stored object, whose sets are taken as they are."""
    return [
        Entry(
            body.get("manager", ""),
            body.get("operation", ""),
            body.get("apiVersion", ""),
            body.get("subresource", ""),
            body.get("time"),
            FieldSet.from_json(body.get("fieldsV1")),
            body,
        )
        for body in bodies or ()
    ]


def read_sent(bodies: Any) -> list[Entry]:
    """Return the entries that a client sent; raise ValueError if one is wrong."""
    entries: dict[Identity, Entry] = {}
    for index, body in enumerate(bodies):
        if not isinstance(body, dict):
            raise ValueError(f"entry {index} is no object")  # noqa: TRY004 - all are bad values
        if body.get("operation") not in {APPLY, UPDATE}:
            raise ValueError("operation must be `Apply` or `Update`")
        if not body.get("apiVersion"):
            raise ValueError("apiVersion must not be empty")
        if body.get("fieldsType") != "FieldsV1":
            raise ValueError(f"invalid fieldsType in managed fields entry {index}")
        (stored,) = read_stored([body])
        entry = replace(stored, fields=FieldSet.read(body.get("fieldsV1")), source=None)
        entries[entry.identity] = entry
    return list(entries.values())


def of_known_versions(entries: list[Entry], api_version: str) -> list[Entry]:
    """Return the entries but for those of versions that the kind never had: nobody keeps them."""
    group = api_version.rpartition("/")[0]
    return [
        entry
        for entry in entries
        if entry.api_version in (api_version, _OLD_HOME)
        or (group and entry.api_version.rpartition("/")[0] == group)
    ]


def _entries(old: Object, new: Object, subresource: str) -> list[Entry]:
    """Return the entries to start from: those sent, if they are good, else those of the old."""
    stored = (old.get("metadata") or {}).get("managedFields")
    sent = (new.get("metadata") or {}).get("managedFields")
    if subresource or sent is stored or not isinstance(sent, list):
        return read_stored(stored)
    if sent == [{}]:
        return []  # this is how a client clears them; an empty list is from one that knows none
    if not sent or sent == stored:
        return read_stored(stored)
    try:
        return read_sent(sent)
    except (ValueError, AttributeError):
        return read_stored(stored)


def track_update(
    node: Node,
    old: Object | None,
    new: Object,
    *,
    manager: str,
    api_version: str,
    now: str,
    operation: str = UPDATE,
    subresource: str = "",
    reset_fields: FieldSet = _STATUS,
) -> None:
    """Set `metadata.managedFields` of `new` (in place) after a create, update or patch.

    `old` is the object before, None on create. The real server does this on the decoded and
    defaulted object, before admission and before the strategy prepares it; so `reset_fields`
    names what the write cannot set. `now` is RFC 3339 with seconds.
    """
    before = old or {}
    entries = of_known_versions(_entries(before, new, subresource), api_version)
    if entries or not (before.get("metadata") or {}).get("uid"):
        try:
            claimed, removed = changes(node, before, new)
        except RecursionError:  # nested beyond what can be walked: nobody's fields change hands
            claimed = removed = EMPTY
        claimed, removed = claimed.without(reset_fields), removed.without(reset_fields)
        identity = (manager, operation, api_version, subresource)
        entries = _moved(entries, claimed, removed, identity, now)
        entries = in_order(_capped(entries))
    write(new, entries)


def _moved(
    entries: list[Entry], claimed: FieldSet, removed: FieldSet, identity: Identity, now: str
) -> list[Entry]:
    """Give the claimed fields to the writer, and take them and the removed ones from all others."""
    if not claimed and not removed:
        return entries
    moved: list[Entry] = []
    own = EMPTY
    for entry in entries:
        if entry.identity == identity and claimed:
            own = entry.fields - removed
            continue
        left = entry.with_fields(entry.fields - claimed - removed)
        if left.fields:
            moved.append(left)
    if claimed:
        # The real server has no time for who scales: it looks for it in the parent's entries.
        time = None if identity[3] == "scale" else now
        moved.append(Entry(*identity, time, own | claimed))
    return moved


def _capped(entries: list[Entry]) -> list[Entry]:
    """Merge the oldest update entries of each version until no more than ten are left."""
    surplus = sum(entry.operation == UPDATE for entry in entries) - UPDATE_MANAGERS_MAX
    if surplus <= 0:
        return entries
    updates = sorted(
        (entry for entry in entries if entry.operation == UPDATE),
        key=lambda entry: (_seconds(entry.time), entry.identity),
    )
    kept = {entry.identity: entry for entry in entries}
    first: dict[str, Entry] = {}
    for entry in updates:
        if surplus <= 0:
            break
        version = entry.api_version
        if version not in first:
            first[version] = entry
            continue
        bucket = Entry(ANCIENT, UPDATE, version, "", entry.time, entry.fields)
        have = kept.get(bucket.identity)
        if have is None:
            have = kept.pop(first[version].identity)
        del kept[entry.identity]
        kept[bucket.identity] = replace(bucket, fields=entry.fields | have.fields)
        surplus -= 1
    return list(kept.values())


def in_order(entries: list[Entry]) -> list[Entry]:
    """Sort as the real server does: applies first, then by time, manager and version."""
    if len(entries) < 2:
        return entries
    return sorted(
        entries,
        key=lambda e: (e.operation, _seconds(e.time), e.manager, e.api_version, e.subresource),
    )


def write(target: Object, entries: list[Entry]) -> None:
    """Set the entries in an object's metadata, which is copied on the way."""
    metadata = dict(target.get("metadata") or {})
    metadata.pop("managedFields", None)
    if entries:
        metadata["managedFields"] = [entry.to_json() for entry in entries]
    target["metadata"] = metadata
