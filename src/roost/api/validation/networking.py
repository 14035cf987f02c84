"""Rules for Ingresses, network policies, and the addresses of Services."""

from __future__ import annotations

from collections.abc import Container, Iterator

from roost.api import names
from roost.api.kind import Change
from roost.api.validation import addresses
from roost.api.validation.causes import IMMUTABLE, Causes
from roost.api.validation.domains import domain_prefixed_path
from roost.api.validation.goform import shape
from roost.api.validation.rules import Rules
from roost.api.validation.selectors import label_selector
from roost.api.validation.services import balancer_status
from roost.api.validation.servicewarnings import of_balancer
from roost.api.values import Object

_CLASS = "kubernetes.io/ingress.class"
_PATH_TYPES = ("Exact", "ImplementationSpecific", "Prefix")
_SEQUENCES = ("//", "/./", "/../", "%2f", "%2F")
_SUFFIXES = ("/..", "/.")
_NOT_A_NAME = "must be a DNS name, not an IP address"
_PROTOCOLS = ("TCP", "UDP", "SCTP")
_DIRECTIONS = ("Ingress", "Egress")
_CONTROLLER_MAX_BYTES = 250
_PARENT = shape(("Group", ""), ("Resource", ""), ("Namespace", ""), ("Name", ""))
_TWO_OF_A_KIND = (
    "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64"
)


def _ingress(change: Change, causes: Causes) -> None:
    spec = change.object.get("spec") or {}
    rules, backend = spec.get("rules") or [], spec.get("defaultBackend")
    if not rules and backend is None:
        causes.invalid("spec", None, "either `defaultBackend` or `rules` must be specified")
    if backend is not None:
        _backend(backend, "spec.defaultBackend", causes)
    for index, rule in enumerate(rules):
        _rule(rule, f"spec.rules[{index}]", causes)
    for index, entry in enumerate(spec.get("tls") or ()):
        _tls(entry, f"spec.tls[{index}]", causes)
    name = spec.get("ingressClassName")
    if name is not None:
        causes.faults("spec.ingressClassName", name, names.check_subdomain(name))


def _host(host: str, path: str, causes: Causes) -> None:
    if "*" in host:
        causes.faults(path, host, names.check_wildcard_subdomain(host))
    else:
        causes.faults(path, host, names.check_subdomain(host))


def _rule(rule: Object, path: str, causes: Causes) -> None:
    host, http = rule.get("host"), rule.get("http")
    if host:
        if addresses.parse_ip(host) is not None:
            causes.invalid(f"{path}.host", host, _NOT_A_NAME)
        _host(host, f"{path}.host", causes)
    if http is None:
        return
    if not http.get("paths"):
        causes.required(f"{path}.http.paths")
    for index, entry in enumerate(http.get("paths") or ()):
        _path(entry, f"{path}.http.paths[{index}]", causes)


def _path(entry: Object, path: str, causes: Causes) -> None:
    kind, text = entry.get("pathType"), entry.get("path") or ""
    if kind is None:
        causes.required(f"{path}.pathType", "pathType must be specified")
        return
    if kind in ("Exact", "Prefix"):
        if not text.startswith("/"):
            causes.invalid(f"{path}.path", text, "must be an absolute path")
        for part in _SEQUENCES:
            if part in text:
                causes.invalid(f"{path}.path", text, f"must not contain '{part}'")
        for part in _SUFFIXES:
            if text.endswith(part):
                causes.invalid(f"{path}.path", text, f"cannot end with '{part}'")
    elif kind == "ImplementationSpecific":
        if text and not text.startswith("/"):
            causes.invalid(f"{path}.path", text, "must be an absolute path")
    else:
        causes.not_supported(f"{path}.pathType", kind, _PATH_TYPES)
    _backend(entry.get("backend") or {}, f"{path}.backend", causes)


def _backend(backend: Object, path: str, causes: Causes) -> None:
    resource, service = backend.get("resource"), backend.get("service")
    if resource is not None and service is not None:
        causes.invalid(path, "", "cannot set both resource and service backends")
    elif resource is not None:
        _reference(resource, f"{path}.resource", causes)
    elif service is not None:
        _service(service, path, causes)
    else:
        causes.invalid(path, "", "resource or service backend is required")


def _service(service: Object, path: str, causes: Causes) -> None:
    name, port = service.get("name"), service.get("port") or {}
    if not name:
        causes.required(f"{path}.service.name")
    else:
        causes.faults(f"{path}.service.name", name, names.check_label(name))
    port_name, number = port.get("name"), port.get("number")
    if port_name and number:
        causes.invalid(path, "", "cannot set both port name & port number")
    elif port_name:
        where = f"{path}.service.port.name"
        causes.faults(where, port_name, names.check_port_name(port_name))
    elif number:
        causes.faults(f"{path}.service.port.number", number, names.check_port_number(number))
    else:
        causes.required(path, "port name or number is required")


def _reference(value: Object, path: str, causes: Causes) -> None:
    group = value.get("apiGroup")
    if group is not None:
        causes.faults(f"{path}.apiGroup", group, names.check_subdomain(group))
    for key in ("kind", "name"):
        text = value.get(key)
        if not text:
            causes.required(f"{path}.{key}")
        else:
            causes.faults(f"{path}.{key}", text, names.check_path_segment(text))


def _tls(entry: Object, path: str, causes: Causes) -> None:
    for index, host in enumerate(entry.get("hosts") or ()):
        _host(host, f"{path}.hosts[{index}]", causes)
    name = entry.get("secretName")
    if name:
        causes.faults(f"{path}.secretName", name, names.check_subdomain(name))


def _ingress_create(change: Change, causes: Causes) -> None:
    annotations = (change.object.get("metadata") or {}).get("annotations") or {}
    name = (change.object.get("spec") or {}).get("ingressClassName")
    if _CLASS in annotations and name is not None and annotations[_CLASS] != name:
        text = "must match `ingressClassName` when both are specified"
        causes.invalid(f"annotations.{_CLASS}", annotations[_CLASS], text)


def _ingress_status(change: Change, causes: Causes) -> None:
    balancer = (change.object.get("status") or {}).get("loadBalancer") or {}
    before = ((change.old or {}).get("status") or {}).get("loadBalancer") or {}
    balancer_status(balancer, "status.loadBalancer", causes, before, modes=False)


def _ingress_warnings(change: Change) -> None:
    if _CLASS in ((change.object.get("metadata") or {}).get("annotations") or ()):
        change.warnings.append(
            f"annotation \"{_CLASS}\" is deprecated, please use 'spec.ingressClassName' instead"
        )


def _ingress_class(change: Change, causes: Causes) -> None:
    spec = change.object.get("spec") or {}
    controller = spec.get("controller") or ""
    if not controller:
        causes.required("spec.controller")
    else:
        if len(controller) > _CONTROLLER_MAX_BYTES:
            causes.too_long("spec.controller", _CONTROLLER_MAX_BYTES)
        domain_prefixed_path(controller, "spec.controller", causes)
    parameters = spec.get("parameters")
    if parameters is None:
        return
    path = "spec.parameters"
    _reference(parameters, path, causes)
    scope, namespace = parameters.get("scope"), parameters.get("namespace")
    if scope not in ("Cluster", "Namespace"):
        causes.not_supported(f"{path}.scope", scope, ("Cluster", "Namespace"))
    elif scope == "Namespace":
        if namespace is None:
            causes.required(f"{path}.namespace", "`parameters.scope` is set to 'Namespace'")
        else:
            causes.faults(f"{path}.namespace", namespace, names.check_label(namespace))
    elif namespace is not None:
        causes.forbidden(f"{path}.namespace", "`parameters.scope` is set to 'Cluster'")


def _ingress_class_update(change: Change, causes: Causes) -> None:
    new, old = change.object.get("spec") or {}, (change.old or {}).get("spec") or {}
    causes.unchanged("spec.controller", new.get("controller") or "", old.get("controller") or "")


def _policy(change: Change, causes: Causes) -> None:
    spec = change.object.get("spec") or {}
    known = {text for _, text in _ranges((change.old or {}).get("spec") or {})}
    label_selector(spec.get("podSelector"), "spec.podSelector", causes)
    for key, peers in (("ingress", "from"), ("egress", "to")):
        for index, rule in enumerate(spec.get(key) or ()):
            path = f"spec.{key}[{index}]"
            for at, port in enumerate(rule.get("ports") or ()):
                _policy_port(port, f"{path}.ports[{at}]", causes)
            for at, peer in enumerate(rule.get(peers) or ()):
                _peer(peer, f"{path}.{peers}[{at}]", causes, known)
    kinds = spec.get("policyTypes") or []
    if len(kinds) > len(_DIRECTIONS):
        causes.invalid("spec.policyTypes", kinds, "may not specify more than two policyTypes")
        return
    for index, kind in enumerate(kinds):
        if kind not in _DIRECTIONS:
            causes.not_supported(f"spec.policyTypes[{index}]", kind, _DIRECTIONS)


def _policy_port(value: Object, path: str, causes: Causes) -> None:
    protocol, port, end = value.get("protocol"), value.get("port"), value.get("endPort")
    if protocol is not None and protocol not in _PROTOCOLS:
        causes.not_supported(f"{path}.protocol", protocol, _PROTOCOLS)
    if port is None:
        if end is not None:
            text = "may not be specified when `port` is not specified"
            causes.invalid(f"{path}.endPort", end, text)
    elif isinstance(port, str):
        if end is not None:
            text = "may not be specified when `port` is non-numeric"
            causes.invalid(f"{path}.endPort", end, text)
        causes.faults(f"{path}.port", port, names.check_port_name(port))
    else:
        causes.faults(f"{path}.port", port, names.check_port_number(port))
        if end is not None:
            if end < port:
                text = "must be greater than or equal to `port`"
                causes.invalid(f"{path}.endPort", port, text)
            causes.faults(f"{path}.endPort", end, names.check_port_number(end))


def _peer(peer: Object, path: str, causes: Causes, known: Container[str]) -> None:
    given = [
        key for key in ("podSelector", "namespaceSelector", "ipBlock") if peer.get(key) is not None
    ]
    for key in given:
        if key == "ipBlock":
            _ip_block(peer["ipBlock"], f"{path}.ipBlock", causes, known)
        else:
            label_selector(peer[key], f"{path}.{key}", causes)
    if not given:
        causes.required(path, "must specify a peer")
    elif len(given) > 1 and "ipBlock" in given:
        causes.forbidden(path, "may not specify both ipBlock and another peer")


def _ip_block(block: Object, path: str, causes: Causes, known: Container[str]) -> None:
    text = block.get("cidr") or ""
    if not text:
        causes.required(f"{path}.cidr")
        return
    outer = addresses.parse_range(text)
    addresses.ip_range(text, f"{path}.cidr", causes, known)
    if outer is None:
        return
    for index, inner_text in enumerate(block.get("except") or ()):
        where = f"{path}.except[{index}]"
        addresses.ip_range(inner_text, where, causes, known)
        inner = addresses.parse_range(inner_text)
        if inner is None:
            continue
        inside = (
            inner.version == outer.version
            and inner.prefixlen > outer.prefixlen
            and inner.network_address in outer
        )
        if not inside:
            causes.invalid(where, inner_text, "must be a strict subset of `cidr`")


def _ranges(spec: Object) -> Iterator[tuple[str, str]]:
    """Yield the ranges of a policy, each with its path."""
    for key, peers in (("ingress", "from"), ("egress", "to")):
        for index, rule in enumerate(spec.get(key) or ()):
            for at, peer in enumerate(rule.get(peers) or ()):
                block, path = peer.get("ipBlock"), f"spec.{key}[{index}].{peers}[{at}].ipBlock"
                if block is not None:
                    yield f"{path}.cidr", block.get("cidr") or ""
                    for place, text in enumerate(block.get("except") or ()):
                        yield f"{path}.except[{place}]", text


def _policy_warnings(change: Change) -> None:
    for path, text in _ranges(change.object.get("spec") or {}):
        change.warnings.extend(addresses.range_advice(text, path))


def _service_cidr(change: Change, causes: Causes) -> None:
    ranges, path = (change.object.get("spec") or {}).get("cidrs") or [], "spec.cidrs"
    if not ranges:
        causes.required(path, "at least one CIDR required")
        return
    if len(ranges) > 2:
        causes.invalid(path, {"CIDRs": ranges}, "may only hold up to 2 values")
        return
    for index, text in enumerate(ranges):
        addresses.canonical_range(text, f"{path}[{index}]", causes)
    versions = [found.version for found in map(addresses.parse_range, ranges) if found]
    if len(versions) == 2 and versions[0] == versions[1]:
        causes.invalid(path, ranges, _TWO_OF_A_KIND)


def _service_cidr_update(change: Change, causes: Causes) -> None:
    new = (change.object.get("spec") or {}).get("cidrs") or []
    old = ((change.old or {}).get("spec") or {}).get("cidrs") or []
    if len(new) == len(old):
        for index, (mine, had) in enumerate(zip(new, old, strict=True)):
            causes.unchanged(f"spec.cidrs[{index}]", mine, had)
    elif len(old) == 1 and len(new) == 2:
        causes.unchanged("spec.cidrs[0]", new[0], old[0])
        _service_cidr(change, causes)
    else:
        causes.invalid("spec.cidrs", new, IMMUTABLE)


def _ip_address(change: Change, causes: Causes) -> None:
    parent, path = (change.object.get("spec") or {}).get("parentRef"), "spec.parentRef"
    if parent is None:
        causes.required(path)
        return
    if parent.get("group"):
        causes.faults(f"{path}.group", parent["group"], names.check_subdomain(parent["group"]))
    for key in ("resource", "name"):
        if not parent.get(key):
            causes.required(f"{path}.{key}")
        else:
            causes.faults(f"{path}.{key}", parent[key], names.check_path_segment(parent[key]))
    if parent.get("namespace"):
        text = parent["namespace"]
        causes.faults(f"{path}.namespace", text, names.check_path_segment(text))


def _ip_address_update(change: Change, causes: Causes) -> None:
    new, old = change.object.get("spec") or {}, (change.old or {}).get("spec") or {}
    parent = new.get("parentRef")
    if parent != old.get("parentRef"):
        shown = None if parent is None else _PARENT.show(parent)
        causes.invalid("spec.parentRef", shown, IMMUTABLE)


INGRESS = Rules(
    always=_ingress,
    create=_ingress_create,
    status=_ingress_status,
    warn=_ingress_warnings,
    warn_of_status=of_balancer,
)
INGRESS_CLASS = Rules(always=_ingress_class, update=_ingress_class_update, namespaced=False)
NETWORK_POLICY = Rules(always=_policy, warn=_policy_warnings, whole=False)
SERVICE_CIDR = Rules(
    create=_service_cidr, update=_service_cidr_update, namespaced=False, whole=False
)
IP_ADDRESS = Rules(
    create=_ip_address,
    update=_ip_address_update,
    namespaced=False,
    name_rule="ip",
    whole=False,
)
