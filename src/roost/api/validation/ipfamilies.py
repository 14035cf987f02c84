"""Rules for the IP families of a Service, on a cluster that has IPv4 alone.

They hold before everything else about the Service is looked at, for then it gets its address.
"""

from __future__ import annotations

from roost.api.kind import Change
from roost.api.validation import addresses
from roost.api.validation.causes import Causes
from roost.api.values import Object

CONFIGURED = ("IPv4",)


def wanted_policy(spec: Object, before: Object) -> str:
    """Return the policy that is meant: the given one, the old one, or what follows from the rest."""
    given: str | None = spec.get("ipFamilyPolicy") or before.get("ipFamilyPolicy")
    if given:
        return given
    return "RequireDualStack" if without_selector(spec) else "SingleStack"


def without_selector(spec: Object) -> bool:
    """Tell whether a Service has neither an address nor pods of its own: it may have any family."""
    return spec.get("clusterIP") == "None" and not spec.get("selector")


def families(change: Change, causes: Causes) -> None:
    """Check that the cluster has what is asked for."""
    spec, before = change.object.get("spec") or {}, (change.old or {}).get("spec") or {}
    if spec.get("type") == "ExternalName":
        return
    policy = wanted_policy(spec, before)
    asked, own = spec.get("ipFamilies") or [], spec.get("clusterIPs") or []
    path = "spec.ipFamilyPolicy"
    if policy != "SingleStack":
        for key, many, noun in (
            ("clusterIPs", own, "cluster IP"),
            ("ipFamilies", asked, "IP family"),
        ):
            if 0 < len(many) < len(before.get(key) or ()):
                text = f"must be 'SingleStack' to release the secondary {noun}"
                causes.invalid(path, policy, text)
    if policy == "SingleStack":
        for many, noun in ((own, "cluster IPs"), (asked, "IP families")):
            if len(many) == 2:
                text = (
                    f"must be 'RequireDualStack' or 'PreferDualStack' when multiple {noun} "
                    "are specified"
                )
                causes.invalid(path, policy, text)
    for index, address in enumerate(own):
        found = addresses.parse_ip(address)
        if found is not None and index >= len(asked) and f"IPv{found.version}" not in CONFIGURED:
            text = f"IPv{found.version} is not configured on this cluster"
            causes.invalid(f"spec.clusterIPs[{index}]", own, text)
    if causes or without_selector(spec):
        return
    if policy == "RequireDualStack":
        causes.invalid(path, policy, "this cluster is not configured for dual-stack services")
    for index, family in enumerate(asked):
        if family not in CONFIGURED:
            causes.invalid(f"spec.ipFamilies[{index}]", family, "not configured on this cluster")
