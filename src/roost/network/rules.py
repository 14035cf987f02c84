"""nftables scripts from service tables. Pure: one script is one atomic transaction.

A map leads from (protocol, address, port) to a chain per set of targets; a change touches only the
elements and chains that differ, so it costs the same in a cluster with ten services or ten thousand.
Chains are named by what they do, so equal backends share one and a chain never changes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from roost.network.plan import BRIDGE_PREFIX, NodeNetwork
from roost.network.services import Backend, Frontend, ServiceTable, Target


@dataclass(frozen=True, slots=True)
class Rules:
    """All that a node's table says: services, ports of the host that lead to pods, pod addresses."""

    services: ServiceTable = field(default_factory=ServiceTable)
    host_ports: Mapping[Frontend, Target] = field(default_factory=dict)

    def backends(self) -> dict[Frontend, Backend]:
        """Every frontend that leads somewhere or is refused, host ports included."""
        ports = {f: Backend((target,), name="host port") for f, target in self.host_ports.items()}
        return {**self.services.backends, **ports}


def base_script(network: NodeNetwork) -> str:
    """Return the script that makes an empty table, replacing what was there."""
    bridge = network.bridge
    return f"""
table ip {network.table}
delete table ip {network.table}
table ip {network.table} {{
  map services {{ type inet_proto . ipv4_addr . inet_service : verdict; }}
  map node_ports {{ type inet_proto . inet_service : verdict; }}
  set refused {{ type inet_proto . ipv4_addr . inet_service; }}
  set hairpins {{ type ipv4_addr . ipv4_addr; }}
  chain dispatch {{
    meta l4proto {{ tcp, udp, sctp }} meta l4proto . ip daddr . th dport vmap @services
    fib daddr type local meta l4proto {{ tcp, udp, sctp }} meta l4proto . th dport vmap @node_ports
  }}
  chain guard {{
    type filter hook prerouting priority raw;
    iifname != "lo" ip daddr 127.0.0.0/8 drop
  }}
  chain prerouting {{
    type nat hook prerouting priority dstnat;
    iifname "{BRIDGE_PREFIX}*" iifname != "{bridge}" return
    jump dispatch
  }}
  chain output {{
    type nat hook output priority -100;
    jump dispatch
  }}
  chain postrouting {{
    type nat hook postrouting priority srcnat;
    ct status dnat ip saddr . ip daddr @hairpins masquerade
    oifname "{bridge}" ip saddr 127.0.0.0/8 masquerade
    ip saddr {network.pod_range} oifname != "{BRIDGE_PREFIX}*" masquerade
  }}
  chain refuse {{
    meta l4proto {{ tcp, udp, sctp }} meta l4proto . ip daddr . th dport @refused jump reject_it
  }}
  chain reject_it {{
    meta l4proto tcp reject with tcp reset
    reject with icmp type port-unreachable
  }}
  chain forward {{
    type filter hook forward priority filter;
    iifname "{BRIDGE_PREFIX}*" iifname != "{bridge}" return
    jump refuse
  }}
  chain local_out {{
    type filter hook output priority filter;
    jump refuse
  }}
}}
"""


def change_script(network: NodeNetwork, old: Rules, new: Rules) -> str:
    """Return the script that turns the table of `old` into that of `new`; empty if they are equal."""
    before, after = old.backends(), new.backends()
    gone = {f: b for f, b in before.items() if after.get(f) != b}
    come = {f: b for f, b in after.items() if before.get(f) != b}
    chains_before = {_chain_name(f, b) for f, b in before.items() if b.targets}
    chains_after = {_chain_name(f, b) for f, b in after.items() if b.targets}
    table = network.table
    lines: list[str] = []
    made: set[str] = set()
    for frontend, backend in come.items():
        name = _chain_name(frontend, backend)
        if backend.targets and name not in chains_before and name not in made:
            made.add(name)
            lines += [
                f"add chain ip {table} {name}",
                f"flush chain ip {table} {name}",
                f"add rule ip {table} {name} {_balance(frontend, backend)}",
            ]
    lines += _elements(table, "delete", gone)
    lines += _elements(table, "add", come)
    lines += [f"delete chain ip {table} {name}" for name in sorted(chains_before - chains_after)]
    lines += _hairpins(table, old.services.hairpins(), new.services.hairpins())
    return "".join(f"{line}\n" for line in lines)


def _hairpins(table: str, old: frozenset[str], new: frozenset[str]) -> list[str]:
    return [
        f"{verb} element ip {table} hairpins {{ {', '.join(f'{ip} . {ip}' for ip in ips)} }}"
        for verb, ips in (("delete", sorted(old - new)), ("add", sorted(new - old)))
        if ips
    ]


def _elements(table: str, verb: str, backends: Mapping[Frontend, Backend]) -> Iterable[str]:
    """Yield the commands that add or delete the map and set elements of some frontends."""
    parts: dict[str, list[str]] = {"services": [], "node_ports": [], "refused": []}
    for frontend, backend in backends.items():
        where = f"{frontend.protocol} . {frontend.address} . {frontend.port}"
        if not frontend.address:
            # Nothing listens on a node port without targets, so the node itself refuses it.
            if backend.targets:
                chain = _chain_name(frontend, backend)
                where = f"{frontend.protocol} . {frontend.port}"
                parts["node_ports"].append(f"{where} : goto {chain}")
        elif backend.targets:
            parts["services"].append(f"{where} : goto {_chain_name(frontend, backend)}")
        else:
            parts["refused"].append(where)
    for name, elements in parts.items():
        if elements:
            yield f"{verb} element ip {table} {name} {{ {', '.join(elements)} }}"


def _chain_name(frontend: Frontend, backend: Backend) -> str:
    text = f"{frontend.protocol} {backend.affinity} {backend.targets}"
    return f"to_{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _balance(frontend: Frontend, backend: Backend) -> str:
    """Return the rule that picks a target: at random, or by client where it has to stay."""
    targets = backend.targets
    dnat = f"meta l4proto {frontend.protocol} dnat ip to"
    if len(targets) == 1:
        return f"{dnat} {targets[0][0]}:{targets[0][1]}"
    spread = f"{'jhash ip saddr' if backend.affinity else 'numgen random'} mod {len(targets)}"
    choices = ", ".join(f"{i} : {ip} . {port}" for i, (ip, port) in enumerate(targets))
    return f"{dnat} {spread} map {{ {choices} }}"
