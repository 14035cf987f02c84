"""What cluster DNS answers: a zone built from Services and EndpointSlices, and its answers. Pure.

Follows the "Kubernetes DNS-Based Service Discovery" specification 1.1.0. A zone is a plain JSON value,
so that it can lie in a file from which the DNS process answers even when nothing else runs.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from roost.api.values import Object
from roost.network.services import SERVICE_NAME_LABEL

DOMAIN: Final = "cluster.local"
TTL_S: Final = 5
VERSION: Final = "1.1.0"


class Record(NamedTuple):
    """One record: data is an address, a name, or for SRV (priority, weight, port, name)."""

    name: str
    type: str  # A, AAAA, CNAME, SRV, PTR or TXT
    data: Any


@dataclass(frozen=True, slots=True)
class Answer:
    """What to answer. Not `known`: the name does not exist (NXDOMAIN); known without records: the
    name has none of the type asked for. `ours` is False for names that other servers know."""

    ours: bool = True
    known: bool = False
    records: tuple[Record, ...] = ()
    extra: tuple[Record, ...] = field(default=())  # addresses of the names in SRV records


class Zone:
    """All names of a cluster, each with its records."""

    def __init__(self, domain: str = DOMAIN) -> None:
        self.domain = domain
        self.records: dict[str, list[Record]] = {}
        #: Names that exist because a name below them does.
        self._inner: set[str] = set()
        self._reverse: dict[str, str] = {}

    def add(self, name: str, type: str, data: Any) -> None:
        self.records.setdefault(name, []).append(Record(name, type, data))
        parent = name
        while parent.endswith(self.domain) and parent != self.domain:
            parent = parent.partition(".")[2]
            if parent in self._inner:
                break
            self._inner.add(parent)

    def add_reverse(self, address: str, name: str) -> None:
        pointer = ipaddress.ip_address(address).reverse_pointer
        self._reverse.setdefault(pointer, name)

    def answer(self, name: str, type: str) -> Answer:
        """Answer a question; `name` without the last dot, in any case."""
        name = name.lower()
        if name in self._reverse:
            found = Record(name, "PTR", self._reverse[name])
            return Answer(known=True, records=(found,) if type in ("PTR", "ANY") else ())
        if name != self.domain and not name.endswith(f".{self.domain}"):
            return Answer(ours=False)
        records = self.records.get(name) or self._pod_records(name)
        if not records:
            return Answer(known=name in self._inner or name == self.domain)
        cname = [record for record in records if record.type == "CNAME"]
        if cname and type != "CNAME":
            target = self.answer(cname[0].data, type)
            return Answer(known=True, records=(*cname, *target.records))
        matching = tuple(r for r in records if type in ("ANY", r.type))
        targets = {record.data[3] for record in matching if record.type == "SRV"}
        extra = [r for t in sorted(targets) for r in self.records.get(t, ()) if r.type != "SRV"]
        return Answer(known=True, records=matching, extra=tuple(extra))

    def _pod_records(self, name: str) -> list[Record]:
        """Names of pods say their own address: 10-244-0-7.NAMESPACE.pod.DOMAIN."""
        labels = name.removesuffix(f".{self.domain}").split(".")
        if len(labels) != 3 or labels[2] != "pod":
            return []
        try:
            address = str(ipaddress.IPv4Address(labels[0].replace("-", ".")))
        except ValueError:
            return []
        return [Record(name, "A", address)]


def zone_table(
    services: Iterable[Object], slices: Iterable[Object], domain: str = DOMAIN
) -> Object:
    """Return the JSON table that a Zone is built from: only what DNS needs."""
    endpoints: dict[tuple[str, str], list[Object]] = {}
    for item in slices:
        metadata = item["metadata"]
        owner = metadata.get("labels", {}).get(SERVICE_NAME_LABEL)
        if owner:
            endpoints.setdefault((metadata["namespace"], owner), []).append(item)
    entries = [
        _entry(service, endpoints.get(_address_of(service), []))
        for service in sorted(services, key=_address_of)
    ]
    return {"domain": domain, "services": entries}


def _address_of(service: Object) -> tuple[str, str]:
    metadata = service["metadata"]
    return metadata["namespace"], metadata["name"]


def _entry(service: Object, slices: list[Object]) -> Object:
    namespace, name = _address_of(service)
    spec = service["spec"]
    entry: Object = {"namespace": namespace, "name": name}
    if spec.get("type") == "ExternalName":
        return {**entry, "external": spec.get("externalName", "")}
    ips = [ip for ip in spec.get("clusterIPs") or [spec.get("clusterIP")] if ip and ip != "None"]
    if ips:
        return {**entry, "ips": ips, "ports": [_port(port) for port in spec.get("ports", ())]}
    unready = bool(spec.get("publishNotReadyAddresses"))
    found: list[Object] = []
    for item in slices:
        ports = [_port(port) for port in item.get("ports") or () if port.get("port")]
        for endpoint in item.get("endpoints") or ():
            ready = (endpoint.get("conditions") or {}).get("ready") is not False
            if ready or unready:
                host = endpoint.get("hostname", "")
                found += [{"ip": ip, "host": host, "ports": ports} for ip in endpoint["addresses"]]
    return {**entry, "endpoints": sorted(found, key=lambda e: (e["ip"], e["host"]))}


def _port(port: Object) -> list[Any]:
    return [port.get("name") or "", port.get("protocol", "TCP").lower(), port["port"]]


def build_zone(table: Object) -> Zone:
    """Return the zone of a table made by `zone_table`. Raises LookupError or TypeError if it is
    no such table."""
    zone = Zone(table["domain"])
    zone.add(f"dns-version.{zone.domain}", "TXT", VERSION)
    for entry in table["services"]:
        name = f"{entry['name']}.{entry['namespace']}.svc.{zone.domain}"
        if "external" in entry:
            zone.add(name, "CNAME", entry["external"].rstrip("."))
        elif "ips" in entry:
            for ip in entry["ips"]:
                zone.add(name, _family(ip), ip)
                zone.add_reverse(ip, name)
            _add_services(zone, name, name, entry["ports"])
        else:
            _add_headless(zone, name, entry["endpoints"])
    return zone


def _add_headless(zone: Zone, name: str, endpoints: list[Object]) -> None:
    zone.records.setdefault(name, [])  # without endpoints the name exists and has no address
    zone.add(name, "NONE", "")
    for endpoint in endpoints:
        ip = endpoint["ip"]
        host = endpoint["host"] or ip.replace(".", "-").replace(":", "-")
        own = f"{host}.{name}"
        zone.add(name, _family(ip), ip)
        zone.add(own, _family(ip), ip)
        if endpoint["host"]:
            zone.add_reverse(ip, own)
        _add_services(zone, name, own, endpoint["ports"])


def _add_services(zone: Zone, name: str, target: str, ports: list[list[Any]]) -> None:
    for port_name, protocol, port in ports:
        data = (0, 100, port, target)
        if port_name:
            zone.add(f"_{port_name}._{protocol}.{name}", "SRV", data)


def _family(ip: str) -> str:
    return "AAAA" if ":" in ip else "A"
