"""Rules for Services."""

from __future__ import annotations

from roost.api import names
from roost.api.kind import Change
from roost.api.validation import addresses, ipfamilies, servicewarnings
from roost.api.validation.causes import IMMUTABLE, Causes
from roost.api.validation.containers import PROTOCOLS
from roost.api.validation.goform import SERVICE_PORT
from roost.api.validation.probes import port_or_name
from roost.api.validation.rules import Rules
from roost.api.values import Object

_TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
_POLICIES = ("Cluster", "Local")
_FAMILIES = ("IPv4", "IPv6")
_FAMILY_POLICIES = ("PreferDualStack", "RequireDualStack", "SingleStack")
_DISTRIBUTIONS = ("PreferClose", "PreferSameNode", "PreferSameZone")
_AFFINITY_MAX_S = 86400
_AGENT_PORT = 10250
_RANGES = "service.beta.kubernetes.io/load-balancer-source-ranges"
_ONLY_BALANCERS = "may only be used when `type` is 'LoadBalancer'"
_NOT_EXTERNAL = "may not be set for ExternalName services"
_ONCE = "may not change once set"


def is_headless(spec: Object) -> bool:
    """Tell whether a Service has no address of its own."""
    return spec.get("clusterIPs") == ["None"]


def allocatable(change: Change) -> Causes:
    """Refuse what no address can be given to, which is found out before the rest is looked at."""
    causes = Causes()
    address_fields(change.object.get("spec") or {}, causes)
    if not causes:
        ipfamilies.families(change, causes)
    return causes


def _allocatable(change: Change, causes: Causes) -> None:
    causes.extend(allocatable(change))


def _service(change: Change, causes: Causes) -> None:
    meta, spec = change.object.get("metadata") or {}, change.object.get("spec") or {}
    _annotations(meta, causes)
    ports, kind = spec.get("ports") or [], spec.get("type") or ""
    if not ports and not is_headless(spec) and kind != "ExternalName":
        causes.required("spec.ports")
    if kind == "LoadBalancer":
        _agent_hidden(ports, causes)
    if kind in ("LoadBalancer", "NodePort") and is_headless(spec):
        text = f"may not be set to 'None' for {kind} services"
        causes.invalid("spec.clusterIPs[0]", "None", text)
    if kind == "ExternalName":
        _external_name(spec, causes)
    taken: set[str] = set()
    for index, port in enumerate(ports):
        _port(port, taken, f"spec.ports[{index}]", causes, need_name=len(ports) > 1)
    if spec.get("selector"):
        causes.extend(names.check_labels(spec["selector"], "spec.selector"))
    _affinity(spec, causes)
    address_fields(spec, causes)
    for index, address in enumerate(spec.get("externalIPs") or ()):
        where = f"spec.externalIPs[{index}]"
        if addresses.ip(address, where, causes):
            addresses.not_special(address, where, causes)
    causes.one_of("spec.type", kind, _TYPES)
    _node_ports(ports, kind, causes)
    _balancer(meta, spec, kind, causes)
    _traffic(spec, kind, causes)


def _annotations(meta: Object, causes: Causes) -> None:
    values = meta.get("annotations") or {}
    if (
        servicewarnings.HINTS in values
        and servicewarnings.MODE in values
        and values[servicewarnings.HINTS] != values[servicewarnings.MODE]
    ):
        text = f"must match annotations[{servicewarnings.HINTS}] when both are specified"
        causes.invalid(
            f"metadata.annotations[{servicewarnings.MODE}]", values[servicewarnings.MODE], text
        )


def _agent_hidden(ports: list[Object], causes: Causes) -> None:
    """Refuse to let the world to where node agents listen."""
    for index, port in enumerate(ports):
        if port.get("port") == _AGENT_PORT:
            text = f"may not expose port {_AGENT_PORT} externally since it is used by kubelet"
            causes.invalid(f"spec.ports[{index}]", _AGENT_PORT, text)


def _external_name(spec: Object, causes: Causes) -> None:
    if spec.get("clusterIPs"):
        causes.forbidden("spec.clusterIPs", _NOT_EXTERNAL)
    if spec.get("ipFamilies"):
        causes.forbidden("spec.ipFamilies", _NOT_EXTERNAL)
    if spec.get("ipFamilyPolicy") is not None:
        causes.forbidden("spec.ipFamilyPolicy", _NOT_EXTERNAL)
    name = (spec.get("externalName") or "").removesuffix(".")
    if name:
        causes.faults("spec.externalName", name, names.check_subdomain(name))
    else:
        causes.required("spec.externalName")


def _port(port: Object, taken: set[str], path: str, causes: Causes, *, need_name: bool) -> None:
    name, number = port.get("name"), port.get("port") or 0
    if name:
        causes.faults(f"{path}.name", name, names.check_label(name))
        if name in taken:
            causes.duplicate(f"{path}.name", name)
        taken.add(name)
    elif need_name:
        causes.required(f"{path}.name")
    causes.faults(f"{path}.port", number, names.check_port_number(number))
    causes.one_of(f"{path}.protocol", port.get("protocol"), PROTOCOLS)
    port_or_name(port.get("targetPort"), f"{path}.targetPort", causes)
    protocol = port.get("appProtocol")
    if protocol is not None:
        causes.faults(f"{path}.appProtocol", protocol, names.check_qualified_name(protocol))


def _affinity(spec: Object, causes: Causes) -> None:
    affinity, config = spec.get("sessionAffinity"), spec.get("sessionAffinityConfig")
    causes.one_of("spec.sessionAffinity", affinity, ("ClientIP", "None"))
    path = "spec.sessionAffinityConfig"
    if affinity == "ClientIP":
        client = (config or {}).get("clientIP") or {}
        seconds = client.get("timeoutSeconds")
        if seconds is None:
            causes.required(path, "when session affinity type is ClientIP")
        elif not 0 < seconds <= _AFFINITY_MAX_S:
            text = f"must be greater than 0 and less than {_AFFINITY_MAX_S}"
            causes.invalid(f"{path}.clientIP.timeoutSeconds", seconds, text)
    elif affinity == "None" and config is not None:
        causes.forbidden(path, "must not be set when session affinity is None")


def _node_ports(ports: list[Object], kind: str, causes: Causes) -> None:
    if kind == "ClusterIP":
        for index, port in enumerate(ports):
            if port.get("nodePort"):
                text = "may not be used when `type` is 'ClusterIP'"
                causes.forbidden(f"spec.ports[{index}].nodePort", text)
    seen: set[tuple[str, int]] = set()
    for index, port in enumerate(ports):
        key = (port.get("protocol") or "", port.get("port") or 0)
        if key in seen:
            shown = SERVICE_PORT.show({"protocol": key[0], "port": key[1]})
            causes.duplicate(f"spec.ports[{index}]", shown)
        seen.add(key)


def _balancer(meta: Object, spec: Object, kind: str, causes: Causes) -> None:
    ranges = spec.get("loadBalancerSourceRanges") or []
    annotation = (meta.get("annotations") or {}).get(_RANGES)
    if ranges:
        if kind != "LoadBalancer":
            causes.forbidden("spec.LoadBalancerSourceRanges", _ONLY_BALANCERS)
        for index, text in enumerate(ranges):
            where = f"spec.LoadBalancerSourceRanges[{index}]"
            addresses.ip_range(text.strip(), where, causes)
    elif annotation is not None:
        where = f"metadata.annotations[{_RANGES}]"
        if kind != "LoadBalancer":
            causes.forbidden(where, _ONLY_BALANCERS)
        for text in annotation.strip().split(",") if annotation.strip() else ():
            addresses.ip_range(text.strip(), where, causes)
    if spec.get("allocateLoadBalancerNodePorts") is not None and kind != "LoadBalancer":
        causes.forbidden("spec.allocateLoadBalancerNodePorts", _ONLY_BALANCERS)
    _balancer_class(spec, kind, causes)


def _balancer_class(spec: Object, kind: str, causes: Causes) -> None:
    name = spec.get("loadBalancerClass")
    if name is None:
        return
    if kind == "LoadBalancer":
        causes.faults("spec.loadBalancerClass", name, names.check_qualified_name(name))
    else:
        causes.forbidden("spec.loadBalancerClass", _ONLY_BALANCERS)


def _traffic(spec: Object, kind: str, causes: Causes) -> None:
    policy, port = spec.get("externalTrafficPolicy"), spec.get("healthCheckNodePort") or 0
    external = kind in ("NodePort", "LoadBalancer") or (
        kind == "ClusterIP" and bool(spec.get("externalIPs"))
    )
    if external:
        causes.one_of("spec.externalTrafficPolicy", policy, _POLICIES)
    elif policy:
        text = "may only be set for externally-accessible services"
        causes.invalid("spec.externalTrafficPolicy", policy, text)
    if kind != "LoadBalancer" or policy != "Local":
        if port:
            text = (
                "may only be set when `type` is 'LoadBalancer' and "
                "`externalTrafficPolicy` is 'Local'"
            )
            causes.invalid("spec.healthCheckNodePort", port, text)
    elif port:
        causes.faults("spec.healthCheckNodePort", port, names.check_port_number(port))
    internal = spec.get("internalTrafficPolicy")
    if internal is not None and internal not in _POLICIES:
        causes.not_supported("spec.internalTrafficPolicy", internal, _POLICIES)
    distribution = spec.get("trafficDistribution")
    if distribution is not None and distribution not in _DISTRIBUTIONS:
        causes.not_supported("spec.trafficDistribution", distribution, _DISTRIBUTIONS)


def address_fields(spec: Object, causes: Causes) -> None:
    """Check clusterIP, clusterIPs, ipFamilies and ipFamilyPolicy together.

    They are checked twice: before addresses are allocated, so that what is allocated makes sense,
    and with everything else.
    """
    if spec.get("type") == "ExternalName":
        return
    first, many = spec.get("clusterIP") or "", spec.get("clusterIPs") or []
    path = "spec.clusterIPs"
    if first and not many:
        causes.required(path)
    elif first and many[0] != first:
        causes.invalid(path, many, "first value must match `clusterIP`")
    elif many and not first:
        causes.invalid(path, many, "must be empty when `clusterIP` is not specified")
    families = spec.get("ipFamilies") or []
    for index, family in enumerate(families):
        where = f"spec.ipFamilies[{index}]"
        if family not in _FAMILIES:
            causes.not_supported(where, family, _FAMILIES)
        if family in families[:index]:
            causes.duplicate(where, family)
    policy = spec.get("ipFamilyPolicy")
    if policy is not None and policy not in _FAMILY_POLICIES:
        causes.not_supported("spec.ipFamilyPolicy", policy, _FAMILY_POLICIES)
    if _well_formed(many, path, causes):
        _families_match(spec, many, families, causes)


def _well_formed(many: list[str], path: str, causes: Causes) -> bool:
    fine = True
    for index, address in enumerate(many):
        if index == 0 and address == "None":
            if len(many) > 1:
                fine = False
                causes.invalid(path, many, "'None' must be the first and only value")
        elif not addresses.ip(address, f"{path}[{index}]", causes):
            fine = False
    if len(many) > 2:
        causes.invalid(path, many, "may only hold up to 2 values")
    return fine


def _families_match(spec: Object, many: list[str], families: list[str], causes: Causes) -> None:
    path = "spec.clusterIPs"
    if len(many) > 1 and not addresses.one_of_each_family(many):
        text = "may specify no more than one IP for each IP family"
        causes.invalid(path, many, text)
    if is_headless(spec):
        return
    for index, (address, family) in enumerate(zip(many, families, strict=False)):
        if (family == "IPv6") != addresses.is_ipv6(address) and family in _FAMILIES:
            text = f"expected an {family} value as indicated by `ipFamilies[{index}]`"
            causes.invalid(f"{path}[{index}]", address, text)


def _update(change: Change, causes: Causes) -> None:
    spec, before = change.object.get("spec") or {}, (change.old or {}).get("spec") or {}
    if "ExternalName" not in (spec.get("type"), before.get("type")):
        _addresses_kept(spec, before, causes)
        _families_kept(spec, before, causes)
    balancers = spec.get("type") == before.get("type") == "LoadBalancer"
    name = spec.get("loadBalancerClass")
    if balancers and name != before.get("loadBalancerClass"):
        causes.invalid("spec.loadBalancerClass", name, _ONCE)
    _balancer_class(spec, spec.get("type") or "", causes)
    _node_ports_once(spec.get("ports") or [], causes)
    local = balancers and (
        spec.get("externalTrafficPolicy") == before.get("externalTrafficPolicy") == "Local"
    )
    if local and spec.get("healthCheckNodePort") != before.get("healthCheckNodePort"):
        causes.forbidden("spec.healthCheckNodePort", IMMUTABLE)


def _node_ports_once(ports: list[Object], causes: Causes) -> None:
    """Refuse two ports with one node port; of new ones it is found where they are allocated."""
    seen: set[tuple[str, int]] = set()
    for index, port in enumerate(ports):
        number = port.get("nodePort") or 0
        key = (port.get("protocol") or "", number)
        if number and key in seen:
            causes.duplicate(f"spec.ports[{index}].nodePort", number)
        seen.add(key)


def _addresses_kept(spec: Object, before: Object, causes: Causes) -> None:
    new, old = spec.get("clusterIPs") or [], before.get("clusterIPs") or []
    if is_headless(spec) and is_headless(before):
        return
    if len(new) == len(old):
        for index, (mine, had) in enumerate(zip(new, old, strict=True)):
            if mine != had:
                causes.invalid(f"spec.clusterIPs[{index}]", new, _ONCE)
        return
    if len(new) < len(old) and not new:
        causes.invalid("spec.clusterIPs[0]", None, "primary clusterIP can not be unset")
    if new and old and new[0] != old[0]:
        causes.invalid("spec.clusterIPs[0]", new, _ONCE)
    if len(new) == 1 < len(old) and spec.get("ipFamilyPolicy") != "SingleStack":
        text = "must be set to 'SingleStack' when releasing the secondary clusterIP"
        causes.invalid("spec.ipFamilyPolicy", spec.get("ipFamilyPolicy"), text)


def _families_kept(spec: Object, before: Object, causes: Causes) -> None:
    new, old = spec.get("ipFamilies") or [], before.get("ipFamilies") or []
    if is_headless(spec) or is_headless(before):
        return
    if len(new) == len(old):
        for mine, had in zip(new, old, strict=True):
            if mine != had:
                causes.invalid("spec.ipFamilies[0]", new, _ONCE)
        return
    if len(new) < len(old) and not spec.get("clusterIPs"):
        causes.invalid("spec.ipFamilies[0]", new, "primary ipFamily can not be unset")
    if new and old and new[0] != old[0]:
        causes.invalid("spec.ipFamilies[0]", spec.get("clusterIPs"), _ONCE)
    if len(new) == 1 < len(old) and spec.get("ipFamilyPolicy") != "SingleStack":
        text = "must be set to 'SingleStack' when releasing the secondary ipFamily"
        causes.invalid("spec.ipFamilyPolicy", spec.get("ipFamilyPolicy"), text)


def balancer_status(
    status: Object, path: str, causes: Causes, before: Object, *, modes: bool
) -> None:
    """Check where a load balancer is; `modes`: each address must say how traffic arrives."""
    known = {ingress.get("ip") for ingress in before.get("ingress") or ()}
    for index, ingress in enumerate(status.get("ingress") or ()):
        here, address, mode = f"{path}.ingress[{index}]", ingress.get("ip"), ingress.get("ipMode")
        if address:
            addresses.ip(address, f"{here}.ip", causes, known)
        if modes:
            if mode is None and address:
                causes.required(f"{here}.ipMode", "must be specified when `ip` is set")
            elif mode is not None and not address:
                causes.forbidden(f"{here}.ipMode", "may not be specified when `ip` is not set")
            elif mode is not None and mode not in ("Proxy", "VIP"):
                causes.not_supported(f"{here}.ipMode", mode, ("Proxy", "VIP"))
        host = ingress.get("hostname")
        if host:
            causes.faults(f"{here}.hostname", host, names.check_subdomain(host))
            if addresses.parse_ip(host) is not None:
                text = "must be a DNS name, not an IP address"
                causes.invalid(f"{here}.hostname", host, text)


def _status(change: Change, causes: Causes) -> None:
    balancer = (change.object.get("status") or {}).get("loadBalancer") or {}
    before = ((change.old or {}).get("status") or {}).get("loadBalancer") or {}
    if balancer.get("ingress") and (change.object.get("spec") or {}).get("type") != "LoadBalancer":
        text = "may only be used when `spec.type` is 'LoadBalancer'"
        causes.forbidden("status.loadBalancer.ingress", text)
    else:
        balancer_status(balancer, "status.loadBalancer", causes, before, modes=True)


SERVICE = Rules(
    first=_allocatable,
    always=_service,
    update=_update,
    status=_status,
    warn=servicewarnings.of_service,
    warn_of_status=servicewarnings.of_balancer,
    name_rule="service",
    whole=True,
)
