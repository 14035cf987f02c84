"""Certificates on request: approve those of kubelets, sign what is approved, forget what is old.

Three controllers, as in kube-controller-manager. A request for a kubelet's client certificate is
approved when its author may have one (a bootstrap token for a new node, a node for itself); everything
else waits for a person. Signing is left to the engine's authority; what may be signed is decided here.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from roost.api.values import Object
from roost.decisions import conditions
from roost.decisions.certificates import KUBELET_CLIENT, SIGNERS, Request, fault_of
from roost.decisions.controller import Caches, Controller, Key, Watch, own_key
from roost.decisions.meta import created_at, deleting, ref_of, seconds_of, stamp, version_of
from roost.decisions.plan import NOTHING, Certify, Delete, Plan, Update
from roost.decisions.resources import CERTIFICATE_SIGNING_REQUESTS as REQUESTS

APPROVED: Final = "Approved"
DENIED: Final = "Denied"
FAILED: Final = "Failed"
#: How long requests are kept once they have come to an end, and while nobody looks at them.
_ENDED_S: Final = 3600.0
_PENDING_S: Final = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class CertificateRules:
    """What the controllers ask about: the content of a request, and what its author may.

    `read` raises ValueError. `may(spec, subresource)` says whether whoever wrote the spec may create
    that subresource of requests.
    """

    read: Callable[[bytes], Request]
    may: Callable[[Object, str], bool]


@dataclass(frozen=True, slots=True)
class View:
    """A request that is not going away, and the time."""

    request: Object
    now: float


def _view(caches: Caches, key: Key, now: float) -> View | None:
    request = caches[REQUESTS].get(*key)
    return None if request is None or deleting(request) else View(request, now)


def _conditions(request: Object) -> list[Object]:
    return (request.get("status") or {}).get("conditions") or []


def _has(request: Object, type: str) -> bool:
    return conditions.is_true(_conditions(request), type)


def _certificate(request: Object) -> str:
    return (request.get("status") or {}).get("certificate") or ""


def _read(spec: Object, rules: CertificateRules) -> Request:
    """Return what a request says. Raises ValueError."""
    try:
        pem = b64decode(spec.get("request") or "", validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from error
    return rules.read(pem)


def _with_condition(view: View, type: str, reason: str, message: str) -> Object:
    """Return the request with one more condition."""
    at = stamp(view.now)
    new = conditions.make(type, "True", reason, message, at, lastUpdateTime=at)
    status = {
        **(view.request.get("status") or {}),
        "conditions": conditions.put(_conditions(view.request), new),
    }
    return {**view.request, "status": status}


# ---------------------------------------------------------------- approving

_APPROVALS: Final = (
    (
        "selfnodeclient",
        "Auto approving self kubelet client certificate after SubjectAccessReview.",
    ),
    ("nodeclient", "Auto approving kubelet client certificate after SubjectAccessReview."),
)


def approve(view: View, rules: CertificateRules) -> Plan:
    """Approve a kubelet's request for a client certificate, if its author may have one."""
    request, spec = view.request, view.request["spec"]
    if _certificate(request) or _has(request, APPROVED) or _has(request, DENIED):
        return NOTHING
    if spec.get("signerName") != KUBELET_CLIENT:
        return NOTHING
    try:
        asked = _read(spec, rules)
    except ValueError:
        return NOTHING  # the signer says what is wrong with it, once somebody approves
    if fault_of(KUBELET_CLIENT, asked, spec.get("usages") or ()) is not None:
        return NOTHING
    for subresource, message in _APPROVALS:
        if subresource == "selfnodeclient" and spec.get("username") != asked.common_name:
            continue
        if rules.may(spec, subresource):
            told = _with_condition(view, APPROVED, "AutoApproved", message)
            return Plan((Update(REQUESTS, told, subresource="approval"),))
    return NOTHING


# ---------------------------------------------------------------- signing


def sign(view: View, rules: CertificateRules) -> Plan:
    """Have an approved request signed, or say why it cannot be."""
    request, spec = view.request, view.request["spec"]
    if spec.get("signerName") not in SIGNERS or _certificate(request):
        return NOTHING
    if not _has(request, APPROVED) or _has(request, DENIED) or _has(request, FAILED):
        return NOTHING
    try:
        fault = fault_of(spec["signerName"], _read(spec, rules), spec.get("usages") or ())
    except ValueError as error:
        fault = f"unable to parse csr: {error}"
    if fault is None:
        return Plan((Certify(request),))
    told = _with_condition(view, FAILED, "SignerValidationFailure", fault)
    return Plan((Update(REQUESTS, told, subresource="status"),))


# ---------------------------------------------------------------- cleaning


def clean(view: View) -> Plan:
    """Delete a request that came to its end an hour ago, or that nobody looked at for a day."""
    request = view.request
    ends = [
        seconds_of(condition.get("lastUpdateTime") or condition.get("lastTransitionTime"))
        for condition in _conditions(request)
        if condition.get("type") in (APPROVED, DENIED, FAILED)
    ]
    due = max(ends) + _ENDED_S if ends else created_at(request) + _PENDING_S
    if view.now < due:
        return Plan(wake_at=due)
    return Plan((Delete(ref_of(REQUESTS, request), resource_version=version_of(request)),))


def _controller(name: str, reconcile: Callable[[View], Plan]) -> Controller[View]:
    return Controller(
        name=f"certificatesigningrequest-{name}-controller",
        watches=(Watch(REQUESTS, own_key),),
        view=_view,
        reconcile=reconcile,
        component="certificate-controller",
    )


CLEANER = _controller("cleaner", clean)


def approving(rules: CertificateRules) -> Controller[View]:
    """Return the controller that approves requests of kubelets."""
    return _controller("approving", lambda view: approve(view, rules))


def signing(rules: CertificateRules) -> Controller[View]:
    """Return the controller that has approved requests signed; its engine needs a signer."""
    return _controller("signing", lambda view: sign(view, rules))
