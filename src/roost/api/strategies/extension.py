"""Strategies of the kinds that extend or govern the API server itself."""

from __future__ import annotations

from roost.api.kind import Change
from roost.api.strategies.strategy import STATUS_META, Strategy, take
from roost.api.values import Object, copy_of

WEBHOOKS = Strategy(counted=("webhooks",))
ADMISSION_POLICY = Strategy(status={}, counted=("spec",))
ADMISSION_POLICY_BINDING = Strategy(counted=("spec",))


def _store_version(change: Change) -> None:
    """Note the version that objects are stored in from now on, beside those of before."""
    status = change.object.setdefault("status", {})
    stored = status.get("storedVersions") or []
    for version in (change.object.get("spec") or {}).get("versions") or ():
        if version.get("storage"):
            if version.get("name") not in stored:
                status["storedVersions"] = [*stored, version.get("name")]
            return


#: Of a definition that nobody has looked at yet.
_UNNAMED: Object = {"conditions": None, "acceptedNames": {"plural": "", "kind": ""}}
CUSTOM_RESOURCE_DEFINITION = Strategy(
    status=_UNNAMED,
    counted=("spec",),
    meta=STATUS_META,
    create=_store_version,
    update=_store_version,
)
FLOW_CONTROL = Strategy(status={}, counted=("spec",), meta=STATUS_META)
#: Nothing of an APIService's identity is its status' business.
API_SERVICE = Strategy(status={}, meta=("labels", "annotations", "finalizers", "ownerReferences"))
PRIORITY_CLASS = Strategy(counted=("value",))


def _signing_create(change: Change) -> None:
    change.object["status"] = {}


def _signing_update(change: Change) -> None:
    """What was asked to be signed never changes."""
    take(change.object, change.old or {}, "spec")


def _signing_status(change: Change) -> None:
    """Approval and denial have their own subresource; keep those conditions as they are.

    One that was added or taken away stays so, for validation to refuse.
    """
    old = ((change.old or {}).get("status") or {}).get("conditions") or []
    new = change.object.setdefault("status", {}).get("conditions") or []
    for decision in ("Approved", "Denied"):
        kept = [c for c in old if c.get("type") == decision]
        places = [i for i, c in enumerate(new) if c.get("type") == decision]
        if len(kept) == len(places):
            for place, condition in zip(places, kept, strict=True):
                new[place] = copy_of(condition)
    _stamp(change)


def _stamp(change: Change) -> None:
    """Give new conditions the time, and changed ones a new transition time."""
    before = {
        c.get("type"): c for c in ((change.old or {}).get("status") or {}).get("conditions") or ()
    }
    for condition in (change.object.get("status") or {}).get("conditions") or ():
        if not change.now:
            continue
        if not condition.get("lastUpdateTime"):
            condition["lastUpdateTime"] = change.now
        if not condition.get("lastTransitionTime"):
            old = before.get(condition.get("type"))
            same = old is not None and old.get("status") == condition.get("status")
            moment = old.get("lastTransitionTime") if old is not None and same else None
            condition["lastTransitionTime"] = moment or change.now


_SIGNING = Strategy(
    status={}, create=_signing_create, update=_signing_update, status_update=_signing_status
)


def certificate_signing_request(change: Change) -> None:
    """Prepare a write of a CSR, its status or its approval."""
    _SIGNING(change)
    if change.subresource == "approval" and change.old is not None:
        wanted = change.object.get("status") or {}
        take(change.object, change.old, "spec")
        take(change.object, change.old, "status")
        take(change.object.setdefault("status", {}), wanted, "conditions")
        _stamp(change)
