"""Rules for Endpoints and EndpointSlices."""

from __future__ import annotations

from collections.abc import Container

from roost.api import names
from roost.api.kind import Change
from roost.api.validation import addresses
from roost.api.validation.causes import Causes
from roost.api.validation.containers import PROTOCOLS
from roost.api.validation.rules import Rules
from roost.api.values import Object

_ENDPOINTS_MAX = 1000
_PORTS_MAX = 20_000
_ADDRESSES_MAX = 100
_HINTS_MAX = 8
_TYPES = ("FQDN", "IPv4", "IPv6")
_TOPOLOGY_MAX = 16
_MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
_OWN_CONTROLLERS = (
    "endpointslice-controller.k8s.io", "endpointslicemirroring-controller.k8s.io",
)  # fmt: skip


def _endpoints(change: Change, causes: Causes) -> None:
    known = {
        address.get("ip") or ""
        for subset in (change.old or {}).get("subsets") or ()
        for key in ("addresses", "notReadyAddresses")
        for address in subset.get(key) or ()
    }
    for index, subset in enumerate(change.object.get("subsets") or ()):
        path = f"subsets[{index}]"
        ready, waiting = subset.get("addresses") or [], subset.get("notReadyAddresses") or []
        if not ready and not waiting:
            causes.required(path, "must specify `addresses` or `notReadyAddresses`")
        for key, values in (("addresses", ready), ("notReadyAddresses", waiting)):
            for at, address in enumerate(values):
                _address(address, f"{path}.{key}[{at}]", causes, known)
        ports = subset.get("ports") or []
        for at, port in enumerate(ports):
            _port(port, f"{path}.ports[{at}]", causes, need_name=len(ports) > 1)


def _address(value: Object, path: str, causes: Causes, known: Container[str]) -> None:
    text = value.get("ip") or ""
    addresses.ip(text, f"{path}.ip", causes, known)
    host, node = value.get("hostname"), value.get("nodeName")
    if host:
        causes.faults(f"{path}.hostname", host, names.check_label(host))
    if node is not None:
        causes.faults(f"{path}.nodeName", node, names.check_subdomain(node))
    addresses.not_special(text, f"{path}.ip", causes)


def _port(port: Object, path: str, causes: Causes, *, need_name: bool) -> None:
    name, number = port.get("name"), port.get("port") or 0
    if name:
        causes.faults(f"{path}.name", name, names.check_label(name))
    elif need_name:
        causes.required(f"{path}.name")
    causes.faults(f"{path}.port", number, names.check_port_number(number))
    causes.one_of(f"{path}.protocol", port.get("protocol"), PROTOCOLS)
    _app_protocol(port, path, causes)


def _app_protocol(port: Object, path: str, causes: Causes) -> None:
    protocol = port.get("appProtocol")
    if protocol is not None:
        causes.faults(f"{path}.appProtocol", protocol, names.check_qualified_name(protocol))


def _slice(change: Change, causes: Causes) -> None:
    value = change.object
    kind = value.get("addressType") or ""
    causes.one_of("addressType", kind, _TYPES)
    _slice_ports(value.get("ports") or [], causes)
    endpoints, before = value.get("endpoints") or [], (change.old or {}).get("endpoints") or []
    if endpoints != before:
        known = {text for endpoint in before for text in endpoint.get("addresses") or ()}
        _slice_endpoints(endpoints, kind, causes, known)


def _slice_endpoints(
    values: list[Object], kind: str, causes: Causes, known: Container[str]
) -> None:
    if len(values) > _ENDPOINTS_MAX:
        causes.too_many("endpoints", len(values), _ENDPOINTS_MAX)
        return
    for index, endpoint in enumerate(values):
        path, texts = f"endpoints[{index}]", endpoint.get("addresses") or []
        if not texts:
            text = "must contain at least 1 address"
            causes.required(f"{path}.addresses", text)
        elif len(texts) > _ADDRESSES_MAX:
            causes.too_many(f"{path}.addresses", len(texts), _ADDRESSES_MAX)
        for at, text in enumerate(texts):
            _slice_address(text, kind, path, at, causes, known)
        _slice_names(endpoint, path, causes)


def _slice_address(
    text: str, kind: str, path: str, at: int, causes: Causes, known: Container[str]
) -> None:
    where = f"{path}.addresses[{at}]"
    if kind in ("IPv4", "IPv6"):
        if not addresses.ip(text, where, causes, known):
            return
        if (kind == "IPv6") != addresses.is_ipv6(text):
            causes.invalid(f"{path}.addresses", text, f"must be an {kind} address")
        addresses.not_special(text, where, causes)
    elif kind == "FQDN":
        _domain(text, where, causes)


def _domain(text: str, path: str, causes: Causes) -> None:
    name = text.removesuffix(".")
    faults = names.check_subdomain(name)
    if not name:
        causes.required(path)
    elif faults:
        causes.invalid(path, name, ",".join(faults))
    elif "." not in name:
        rule = "should be a domain with at least two segments separated by dots"
        causes.invalid(path, name, rule)


def _slice_names(endpoint: Object, path: str, causes: Causes) -> None:
    node = endpoint.get("nodeName")
    if node is not None:
        causes.faults(f"{path}.nodeName", node, names.check_subdomain(node))
    topology = endpoint.get("deprecatedTopology")
    if topology and len(topology) > _TOPOLOGY_MAX:
        causes.too_many(f"{path}.deprecatedTopology", len(topology), _TOPOLOGY_MAX)
    if topology:
        causes.extend(names.check_labels(topology, f"{path}.deprecatedTopology"))
    host = endpoint.get("hostname")
    if host is not None:
        causes.faults(f"{path}.hostname", host, names.check_label(host))
    for key in ("forZones", "forNodes"):
        hints = (endpoint.get("hints") or {}).get(key) or []
        where = f"{path}.hints.{key}"
        if len(hints) > _HINTS_MAX:
            causes.too_many(where, len(hints), _HINTS_MAX)
            continue
        seen: set[str] = set()
        for at, hint in enumerate(hints):
            name = hint.get("name") or ""
            if name in seen:
                causes.duplicate(f"{where}[{at}].name", name)
            elif key == "forZones":
                causes.faults(f"{where}[{at}].name", name, names.check_label_value(name))
            else:
                causes.faults(f"{where}[{at}].name", name, names.check_subdomain(name))
            seen.add(name)


def _slice_ports(values: list[Object], causes: Causes) -> None:
    if len(values) > _PORTS_MAX:
        causes.too_many("ports", len(values), _PORTS_MAX)
        return
    taken: set[str] = set()
    for index, port in enumerate(values):
        path, name = f"ports[{index}]", port.get("name") or ""
        if name:
            causes.faults(f"{path}.name", name, names.check_label(name))
        if name in taken:
            causes.duplicate(f"{path}.name", name)
        taken.add(name)
        protocol = port.get("protocol")
        if protocol is None:
            causes.required(f"{path}.protocol")
        elif protocol not in PROTOCOLS:
            causes.not_supported(f"{path}.protocol", protocol, PROTOCOLS)
        _app_protocol(port, path, causes)


def _slice_update(change: Change, causes: Causes) -> None:
    new = change.object.get("addressType") or ""
    old = (change.old or {}).get("addressType") or ""
    causes.unchanged("addressType", new, old)


def _slice_warnings(change: Change) -> None:
    if change.object.get("addressType") == "FQDN":
        change.warnings.append("spec.addressType: FQDN endpoints are deprecated")
    labels = (change.object.get("metadata") or {}).get("labels") or {}
    if labels.get(_MANAGED_BY) in _OWN_CONTROLLERS:
        return
    for index, endpoint in enumerate(change.object.get("endpoints") or ()):
        for at, text in enumerate(endpoint.get("addresses") or ()):
            path = f"endpoints[{index}].addresses[{at}]"
            change.warnings.extend(addresses.ip_advice(text, path))


def _endpoints_warnings(change: Change) -> None:
    labels = (change.object.get("metadata") or {}).get("labels") or {}
    if labels.get("endpoints.kubernetes.io/managed-by") == "endpoint-controller":
        return
    for index, subset in enumerate(change.object.get("subsets") or ()):
        for key in ("addresses", "notReadyAddresses"):
            for at, address in enumerate(subset.get(key) or ()):
                path = f"subsets[{index}].{key}[{at}].ip"
                change.warnings.extend(addresses.ip_advice(address.get("ip") or "", path))


ENDPOINTS = Rules(always=_endpoints, warn=_endpoints_warnings)
ENDPOINT_SLICE = Rules(always=_slice, update=_slice_update, warn=_slice_warnings, before=True)
