"""Tokens in Secrets that nobody has used for a year: first marked as invalid, a year later removed.

Only those that Kubernetes itself once made are: their account names them. The server notes on a Secret
when its token was last used, and in a ConfigMap since when it does.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from roost.api.values import Object
from roost.controllers.secrettokens import ACCOUNT, ACCOUNT_UID, TYPE
from roost.decisions.controller import Caches, Controller, Key, Watch
from roost.decisions.meta import (
    annotations_of,
    created_at,
    deleting,
    key_of,
    labels_of,
    ref_of,
    uid_of,
    version_of,
)
from roost.decisions.plan import NOTHING, Create, Delete, Patch, Plan, Update
from roost.decisions.podreferences import references
from roost.decisions.resources import CONFIG_MAPS, PODS, SECRETS, SERVICE_ACCOUNTS

LAST_USED: Final = "kubernetes.io/legacy-token-last-used"
INVALID_SINCE: Final = "kubernetes.io/legacy-token-invalid-since"
TRACKING: Final = Key("kube-system", "kube-apiserver-legacy-service-account-token-tracking")
_SINCE: Final = "since"
_DAY_S: Final = 24 * 3600.0
#: For how long a token may lie unused, and for how long it then may be made good again.
UNUSED_S: Final = 365 * _DAY_S


def day(epoch_s: float) -> str:
    """Return the day of a time, as labels say it."""
    return datetime.fromtimestamp(epoch_s, UTC).strftime("%Y-%m-%d")


def day_begins(text: str | None) -> float | None:
    """Return when a day begins; None if this is no day."""
    try:
        return datetime.strptime(text or "", "%Y-%m-%d").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class View:
    """A Secret with a token; since when uses are noted; and whether somebody still needs it.

    `listed` says that its account names it, `mounted` that a pod does.
    """

    secret: Object
    since: str
    listed: bool
    mounted: bool
    now: float


def _view(caches: Caches, key: Key, now: float) -> View | None:
    secret = caches[SECRETS].get(*key)
    if secret is None or secret.get("type") != TYPE or deleting(secret):
        return None
    tracking = caches[CONFIG_MAPS].get(*TRACKING) or {}
    listed = _listed(caches, key, annotations_of(secret))
    mounted = listed and any(
        ("secrets", key.name) in references(pod) for pod in caches[PODS].all(key.namespace)
    )
    return View(secret, (tracking.get("data") or {}).get(_SINCE, ""), listed, mounted, now)


def _listed(caches: Caches, key: Key, annotations: dict[str, str]) -> bool:
    account = caches[SERVICE_ACCOUNTS].get(key.namespace, annotations.get(ACCOUNT) or "")
    if account is None or annotations.get(ACCOUNT_UID) not in (None, "", uid_of(account)):
        return False
    return any(ref.get("name") == key.name for ref in account.get("secrets") or ())


def reconcile(view: View) -> Plan:
    """Mark a token that is not used, remove one that was marked long ago, or look again later."""
    secret, now = view.secret, view.now
    since = day_begins(view.since)
    if since is None or not view.listed:
        return NOTHING  # uses are not noted, or somebody made it by hand: a change will tell
    used = labels_of(secret).get(LAST_USED)
    used_at = day_begins(used)
    if used is not None and used_at is None:
        return NOTHING
    # Days are whole: uses of the first are not all noted, and the last one has to be over.
    quiet_from = max(
        created_at(secret), since + _DAY_S, 0.0 if used_at is None else used_at + _DAY_S
    )
    if now <= quiet_from + UNUSED_S:
        return Plan(wake_at=quiet_from + UNUSED_S + 1)
    if view.mounted:
        return Plan(wake_at=now + _DAY_S)
    marked_at = day_begins(labels_of(secret).get(INVALID_SINCE))
    if marked_at is None:
        labels = {INVALID_SINCE: day(now)}
        body: Object = {"metadata": {"uid": uid_of(secret), "labels": labels}}
        return Plan((Patch(ref_of(SECRETS, secret), body),))
    gone_at = marked_at + _DAY_S + UNUSED_S
    if now < gone_at:
        return Plan(wake_at=gone_at)
    return Plan((Delete(ref_of(SECRETS, secret), resource_version=version_of(secret)),))


def _tokens(secret: Object, _caches: Caches) -> Iterable[Key]:
    return (key_of(secret),) if secret.get("type") == TYPE else ()


def _of_account(account: Object, caches: Caches) -> Iterable[Key]:
    if not account.get("secrets"):
        return ()
    namespace = account["metadata"]["namespace"]
    keys = [Key(namespace, ref["name"]) for ref in account["secrets"] if ref.get("name")]
    return [key for key in keys if caches[SECRETS].get(*key) is not None]


def _all_tokens(tracking: Object, caches: Caches) -> Iterable[Key]:
    if key_of(tracking) != TRACKING:
        return ()
    return [key_of(each) for each in caches[SECRETS].all() if each.get("type") == TYPE]


CLEANER = Controller(
    name="legacy-serviceaccount-token-cleaner-controller",
    watches=(
        Watch(SECRETS, _tokens),
        Watch(SERVICE_ACCOUNTS, _of_account),
        Watch(CONFIG_MAPS, _all_tokens),
        Watch(PODS, lambda _pod, _caches: ()),
    ),
    view=_view,
    reconcile=reconcile,
)


@dataclass(frozen=True, slots=True)
class TrackingView:
    """The ConfigMap that says since when uses are noted, and the time."""

    tracking: Object | None
    now: float


def keep_tracking(view: TrackingView) -> Plan:
    """Say that uses are noted from today on, unless it says so already."""
    tracking, data = view.tracking, {_SINCE: day(view.now)}
    if tracking is None:
        namespace, name = TRACKING
        made: Object = {"metadata": {"name": name, "namespace": namespace}, "data": data}
        return Plan((Create(CONFIG_MAPS, made, tolerate_existing=True),))
    if deleting(tracking) or day_begins((tracking.get("data") or {}).get(_SINCE)) is not None:
        return NOTHING
    return Plan(
        (Update(CONFIG_MAPS, {**tracking, "data": {**(tracking.get("data") or {}), **data}}),)
    )


TRACKER = Controller(
    name="legacy-token-tracking-controller",
    watches=(
        Watch(CONFIG_MAPS, lambda obj, _caches: (TRACKING,) if key_of(obj) == TRACKING else ()),
    ),
    view=lambda caches, key, now: TrackingView(caches[CONFIG_MAPS].get(*key), now),
    reconcile=keep_tracking,
    start_keys=(TRACKING,),
)
