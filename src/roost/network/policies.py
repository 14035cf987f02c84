"""Whether NetworkPolicies let a connection pass. Pure: from objects to yes or no.

A pod that some policy of a direction chooses takes (or opens) only the connections that one of them
allows. What neither end can be kept from is decided by who calls: a pod and itself, a node and its pods.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from roost.api.selectors import label_selector
from roost.api.values import Object

INGRESS: Final = "Ingress"
EGRESS: Final = "Egress"
_PEERS: Final = {INGRESS: "from", EGRESS: "to"}


@dataclass(frozen=True, slots=True)
class Party:
    """One end of a connection. `namespace` is "" for what is no pod (or one of the host's network);
    `ports` are the named ports of a pod: (name, protocol in lower case) -> number."""

    address: str
    namespace: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    namespace_labels: Mapping[str, str] = field(default_factory=dict)
    ports: Mapping[tuple[str, str], int] = field(default_factory=dict)


def allowed(
    policies: Sequence[Object], source: Party, target: Party, port: int, protocol: str
) -> bool:
    """Say whether a connection may be made; `protocol` is tcp, udp or sctp."""
    ends = ((EGRESS, source, target), (INGRESS, target, source))
    return all(
        _passes(direction, _choosing(policies, own, direction), other, target, port, protocol)
        for direction, own, other in ends
    )


def _choosing(policies: Iterable[Object], party: Party, direction: str) -> list[Object]:
    """Return the policies of a direction that choose a pod."""
    if not party.namespace:
        return []
    return [
        policy
        for policy in policies
        if policy["metadata"]["namespace"] == party.namespace
        and direction in (policy["spec"].get("policyTypes") or (INGRESS,))
        and label_selector(policy["spec"].get("podSelector") or {}).matches(party.labels)
    ]


def _passes(
    direction: str,
    policies: Sequence[Object],
    other: Party,
    target: Party,
    port: int,
    protocol: str,
) -> bool:
    if not policies:
        return True
    return any(
        _is_peer(policy["metadata"]["namespace"], rule.get(_PEERS[direction]), other)
        and _is_port(rule.get("ports"), target, port, protocol)
        for policy in policies
        for rule in policy["spec"].get(direction.lower()) or ()
    )


def _is_peer(namespace: str, peers: Sequence[Object] | None, other: Party) -> bool:
    return not peers or any(_matches(namespace, peer, other) for peer in peers)


def _matches(namespace: str, peer: Object, other: Party) -> bool:
    block = peer.get("ipBlock")
    if block is not None:
        return _inside(other.address, block["cidr"]) and not any(
            _inside(other.address, hole) for hole in block.get("except") or ()
        )
    if not other.namespace:
        return False
    chosen = peer.get("namespaceSelector")
    if chosen is None:
        if other.namespace != namespace:
            return False
    elif not label_selector(chosen).matches(other.namespace_labels):
        return False
    pods = peer.get("podSelector")
    return pods is None or label_selector(pods).matches(other.labels)


def _inside(address: str, network: str) -> bool:
    one, other = ipaddress.ip_address(address), ipaddress.ip_network(network, strict=False)
    return one.version == other.version and one in other


def _is_port(ports: Sequence[Object] | None, target: Party, number: int, protocol: str) -> bool:
    if not ports:
        return True
    for one in ports:
        if one.get("protocol", "TCP").lower() != protocol:
            continue
        wanted = one.get("port", number)
        least: int = target.ports.get((wanted, protocol), -1) if isinstance(wanted, str) else wanted
        if least <= number <= one.get("endPort", least):
            return True
    return False
