"""ServiceCIDRs are ready, and go only when no address in use would be left without a range.

Addresses in use are the IPAddresses of the allocator. The default range is kept by DEFAULT, which is
the API server's own: it comes back when it was deleted.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

from roost.api.values import Object
from roost.decisions import conditions
from roost.decisions.controller import Caches, Controller, Key, Watch, own_key
from roost.decisions.meta import (
    deleting,
    key_of,
    labels_of,
    name_of,
    object_reference,
    ref_of,
    seconds_of,
    stamp,
    version_of,
    warning,
)
from roost.decisions.plan import NOTHING, Create, Patch, Plan
from roost.decisions.resources import IP_ADDRESSES, SERVICE_CIDRS

FINALIZER = "networking.k8s.io/service-cidr-finalizer"
DEFAULT_NAME = "kubernetes"
DEFAULT_RANGE = "10.96.0.0/16"
#: A range stays so long after its deletion was asked for: addresses may be on the way.
GRACE_S = 10.0
_MANAGED_BY = "ipaddress.kubernetes.io/managed-by"
_ALLOCATOR = "ipallocator.k8s.io"
_IN_USE = (
    "There are still IPAddresses referencing the ServiceCIDR, please remove them or create a new "
    "ServiceCIDR"
)


@dataclass(frozen=True, slots=True)
class View:
    """A ServiceCIDR; and if it goes, the ranges of those that stay and the addresses in use."""

    cidr: Object
    others: tuple[str, ...]
    addresses: tuple[str, ...]
    now: float


@dataclass(frozen=True, slots=True)
class DefaultView:
    """The default range, if it is there."""

    cidr: Object | None
    now: float


def view(caches: Caches, key: Key, now: float) -> View | None:
    """Return the range with all that holds it back."""
    found = caches[SERVICE_CIDRS].get(*key)
    if found is None:
        return None
    if not deleting(found):
        return View(found, (), (), now)
    others = [
        text
        for one in caches[SERVICE_CIDRS].all()
        if name_of(one) != key.name and not deleting(one)
        for text in one["spec"].get("cidrs") or ()
    ]
    addresses = tuple(
        name_of(one)
        for one in caches[IP_ADDRESSES].all()
        if labels_of(one).get(_MANAGED_BY) == _ALLOCATOR
    )
    return View(found, tuple(others), addresses, now)


def orphaned(view: View) -> bool:
    """Say whether an address in use is in this range and in no other."""
    mine = [ipaddress.ip_network(text) for text in view.cidr["spec"].get("cidrs") or ()]
    others = [ipaddress.ip_network(text) for text in view.others]
    for text in view.addresses:
        address = ipaddress.ip_address(text)
        if any(address in net for net in mine) and not any(address in net for net in others):
            return True
    return False


def reconcile(view: View) -> Plan:
    """Protect the range and call it ready, or let it go."""
    cidr = view.cidr
    finalizers = cidr["metadata"].get("finalizers") or []
    held = FINALIZER in finalizers
    ready = conditions.find((cidr.get("status") or {}).get("conditions"), "Ready") or {}
    if not deleting(cidr):
        actions = [] if held else [_finalizers(cidr, [*finalizers, FINALIZER])]
        if ready.get("status") != "True":
            actions.append(_ready(view, "True", "", "Kubernetes Service CIDR is ready"))
        return Plan(tuple(actions))
    if not held:
        return NOTHING
    if orphaned(view):
        known = ready.get("reason") == "Terminating"
        return NOTHING if known else Plan((_ready(view, "False", "Terminating", _IN_USE),))
    due = seconds_of(cidr["metadata"]["deletionTimestamp"]) + GRACE_S
    if due > view.now:
        return Plan(wake_at=due)
    return Plan((_finalizers(cidr, [name for name in finalizers if name != FINALIZER]),))


def _finalizers(cidr: Object, wanted: list[str]) -> Patch:
    body = {"metadata": {"resourceVersion": version_of(cidr), "finalizers": wanted}}
    return Patch(ref_of(SERVICE_CIDRS, cidr), body)


def _ready(view: View, status: str, reason: str, message: str) -> Patch:
    new = conditions.make("Ready", status, reason, message, stamp(view.now))
    new["reason"] = reason  # required, even when it is empty
    known = (view.cidr.get("status") or {}).get("conditions")
    body = {
        "metadata": {"uid": view.cidr["metadata"]["uid"]},
        "status": {"conditions": conditions.put(known, new)},
    }
    return Patch(ref_of(SERVICE_CIDRS, view.cidr), body, subresource="status")


def _with_going(cidr: Object, caches: Caches) -> Iterable[Key]:
    """A range, and those that go: a new one may take over their addresses."""
    yield key_of(cidr)
    yield from _going(cidr, caches)


def _going(_obj: Object, caches: Caches) -> Iterable[Key]:
    return [key_of(one) for one in caches[SERVICE_CIDRS].all() if deleting(one)]


def default_view(caches: Caches, key: Key, now: float) -> DefaultView | None:
    """Return the default range, or that there is none."""
    if key.name != DEFAULT_NAME:
        return None
    return DefaultView(caches[SERVICE_CIDRS].get(*key), now)


def keep_default(view: DefaultView) -> Plan:
    """Create the default range where it is missing, and say of it what it does not say."""
    cidr, wanted = view.cidr, [DEFAULT_RANGE]
    if cidr is None:
        made = {"metadata": {"name": DEFAULT_NAME}, "spec": {"cidrs": wanted}}
        return Plan((Create(SERVICE_CIDRS, made, tolerate_existing=True),))
    if deleting(cidr):
        return NOTHING
    regarding = object_reference(SERVICE_CIDRS, "ServiceCIDR", cidr)
    found = cidr["spec"].get("cidrs") or []
    if found != wanted:
        message = (
            f"The default ServiceCIDR [{' '.join(found)}] does not match the flag configurations "
            f"[{' '.join(wanted)}]"
        )
        return Plan((warning(regarding, "KubernetesServiceCIDRInconsistent", message),))
    ready = conditions.find((cidr.get("status") or {}).get("conditions"), "Ready")
    if ready is None:
        message = "Kubernetes default Service CIDR is ready"
        return Plan((_ready(View(cidr, (), (), view.now), "True", "", message),))
    if ready["status"] != "True":
        event = warning(regarding, ready.get("reason", ""), ready.get("message", ""))
        return Plan((event,))
    return NOTHING


DEFAULT = Controller(
    name="kubernetes-service-cidr-controller",
    component="kubernetes-service-cidr-controller",
    watches=(Watch(SERVICE_CIDRS, own_key),),
    view=default_view,
    reconcile=keep_default,
    start_keys=(Key("", DEFAULT_NAME),),
)

CONTROLLER = Controller(
    name="service-cidr-controller",
    component="service-cidrs-controller",
    watches=(Watch(SERVICE_CIDRS, _with_going), Watch(IP_ADDRESSES, _going)),
    view=view,
    reconcile=reconcile,
)
