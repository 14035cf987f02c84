"""The status of ValidatingAdmissionPolicies: which generation was looked at, and what does not fit."""

from __future__ import annotations

from roost.api.cel.typechecking import warnings_of
from roost.api.kind import Resource
from roost.api.registry import builtin
from roost.api.values import Object
from roost.decisions.controller import Caches, Controller, Key, Watch
from roost.decisions.meta import name_of, ref_of
from roost.decisions.plan import NOTHING, Patch, Plan

_REGISTRY = builtin()
POLICIES = Resource("admissionregistration.k8s.io", "v1", "validatingadmissionpolicies")


def view(caches: Caches, key: Key, _now: float) -> Object | None:
    """Return the policy."""
    return caches[POLICIES].get(*key)


def reconcile(policy: Object) -> Plan:
    """Check the expressions of a generation once."""
    generation = policy["metadata"].get("generation") or 0
    status = policy.get("status") or {}
    if generation <= (status.get("observedGeneration") or 0):
        return NOTHING
    warnings = warnings_of(policy, _REGISTRY)
    checked: Object = {"expressionWarnings": warnings or None}
    body = {"status": {"observedGeneration": generation, "typeChecking": checked}}
    return Plan((Patch(ref_of(POLICIES, policy), body, "status"),))


CONTROLLER = Controller(
    name="validatingadmissionpolicy-status-controller",
    watches=(Watch(POLICIES, lambda policy, _caches: [Key("", name_of(policy))]),),
    view=view,
    reconcile=reconcile,
)
