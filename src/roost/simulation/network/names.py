"""Names in a simulated pod: its hosts file, its search list, the cluster's zone, the world outside.

The zone is the one that a real node's DNS process answers from (roost.network.dns.zone).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from roost.network.dns.zone import Record, Zone
from roost.simulation.network.messages import NotFound

_CNAMES_MAX = 8


@dataclass(frozen=True, slots=True)
class Resolv:
    """What /etc/resolv.conf says."""

    servers: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    ndots: int = 1


def parse_resolv(text: str) -> Resolv:
    """Return what a resolv.conf says; lines that say nothing known are passed over."""
    servers: list[str] = []
    search: tuple[str, ...] = ()
    ndots = 1
    for line in text.splitlines():
        word, *rest = line.split() or [""]
        if word == "nameserver":
            servers += rest[:1]
        elif word == "search":
            search = tuple(rest)
        elif word == "options":
            for option in rest:
                key, _, value = option.partition(":")
                if key == "ndots" and value.isdigit():
                    ndots = int(value)
    return Resolv(tuple(servers), search, ndots)


def parse_hosts(text: str) -> dict[str, str]:
    """Return name -> address of a hosts file; the first line that has a name counts."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        address, *names = line.partition("#")[0].split() or [""]
        for name in names:
            if ":" not in address:
                found.setdefault(name.lower(), address)
    return found


def candidates(name: str, resolv: Resolv) -> list[str]:
    """Return the full names to try, in order, as the C library does."""
    if name.endswith("."):
        return [name[:-1]]
    searched = [f"{name}.{domain}" for domain in resolv.search]
    return [name, *searched] if name.count(".") >= resolv.ndots else [*searched, name]


class Names:
    """Answers questions. `zone` gives the newest zone; `outside` maps names to addresses."""

    def __init__(
        self, zone: Callable[[], Zone], dns_address: str, outside: Mapping[str, str]
    ) -> None:
        self._zone = zone
        self._dns_address = dns_address
        self._outside = outside

    def lookup(self, name: str, type: str, resolv: Resolv) -> tuple[Record, ...]:
        """Return the records of a name; raises NotFound when it has none."""
        for candidate in candidates(name.lower(), resolv):
            found = self._ask(candidate, type, resolv)
            if found:
                return found
        raise NotFound(name)

    def address(self, name: str, hosts: Mapping[str, str], resolv: Resolv) -> str:
        """Return an IPv4 address; raises NotFound."""
        return self.addresses(name, hosts, resolv)[0]

    def addresses(self, name: str, hosts: Mapping[str, str], resolv: Resolv) -> tuple[str, ...]:
        """Return all IPv4 addresses of a host, which may be an address itself; raises NotFound."""
        try:
            return (str(ipaddress.IPv4Address(name)),)
        except ValueError:
            pass
        known = hosts.get(name.lower().rstrip("."))
        if known is not None:
            return (known,)
        found = tuple(r.data for r in self.lookup(name, "A", resolv) if r.type == "A")
        if not found:
            raise NotFound(name)
        return found

    def _ask(self, name: str, type: str, resolv: Resolv) -> tuple[Record, ...]:
        records: list[Record] = []
        if self._dns_address in resolv.servers:
            for _ in range(_CNAMES_MAX):
                answer = self._zone().answer(name, type)
                records += answer.records
                aliases = [r for r in answer.records if r.type == "CNAME"]
                wanted = [r for r in answer.records if r.type == type]
                if wanted or not aliases or type == "CNAME":
                    break
                name = aliases[-1].data
        if not any(record.type == type for record in records) and type == "A":
            address = self._outside.get(name)
            if address is not None:
                records.append(Record(name, "A", address))
        return tuple(records) if any(record.type == type for record in records) else ()
