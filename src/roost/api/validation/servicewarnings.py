"""Warnings about Services: fields that are ignored or soon gone, addresses in an odd form."""

from __future__ import annotations

from roost.api.kind import Change
from roost.api.validation import addresses

HINTS = "service.kubernetes.io/topology-aware-hints"
MODE = "service.kubernetes.io/topology-mode"


def of_service(change: Change) -> None:
    """Warn about a Service: what has no effect, or soon none."""
    meta, spec = change.object.get("metadata") or {}, change.object.get("spec") or {}
    kind, external = spec.get("type"), spec.get("externalIPs")
    headless = kind == "ClusterIP" and spec.get("clusterIP") == "None"
    warn = change.warnings.append
    if HINTS in (meta.get("annotations") or ()):
        warn(f"annotation {HINTS} is deprecated, please use {MODE} instead")
    for index, address in enumerate(spec.get("clusterIPs") or ()):
        change.warnings.extend(addresses.ip_advice(address, f"spec.clusterIPs[{index}]"))
    if headless:
        if spec.get("loadBalancerIP"):
            warn("spec.loadBalancerIP is ignored for headless services")
        if external:
            warn("spec.externalIPs is ignored for headless services")
        if spec.get("sessionAffinity") != "None":
            warn("spec.SessionAffinity is ignored for headless services")
    for index, address in enumerate(external or ()):
        change.warnings.extend(addresses.ip_advice(address, f"spec.externalIPs[{index}]"))
    balancer = spec.get("loadBalancerIP") or ""
    change.warnings.extend(addresses.ip_advice(balancer, "spec.loadBalancerIP"))
    for index, text in enumerate(spec.get("loadBalancerSourceRanges") or ()):
        path = f"spec.loadBalancerSourceRanges[{index}]"
        change.warnings.extend(addresses.range_advice(text, path))
    if external and not headless and kind != "ExternalName":
        warn("spec.externalIPs is deprecated and may no longer be implemented in some clusters")
    if external and kind == "ExternalName":
        warn('spec.externalIPs is ignored when spec.type is "ExternalName"')
    if kind != "ExternalName" and spec.get("externalName"):
        warn('spec.externalName is ignored when spec.type is not "ExternalName"')
    if spec.get("trafficDistribution") == "PreferClose":
        warn('spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"')


def of_balancer(change: Change) -> None:
    """Say how the addresses in the status of a load balancer should better be written."""
    balancer = (change.object.get("status") or {}).get("loadBalancer") or {}
    for index, ingress in enumerate(balancer.get("ingress") or ()):
        path = f"status.loadBalancer.ingress[{index}]"
        change.warnings.extend(addresses.ip_advice(ingress.get("ip") or "", path))
