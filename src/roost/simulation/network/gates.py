"""NetworkPolicies in a simulated cluster: who may reach whom, by what the nodes know of their pods."""

from __future__ import annotations

from collections.abc import Callable

from roost.api.values import Object
from roost.decisions.meta import labels_of, namespace_of
from roost.network.policies import Party, allowed
from roost.simulation.network.fabric import Host
from roost.simulation.network.services import ServiceTables


class Gates:
    """`pod_of` tells the pod of a host; while its agent is away, it is what it was."""

    def __init__(self, tables: ServiceTables, pod_of: Callable[[Host], Object | None]) -> None:
        self._tables = tables
        self._pod_of = pod_of

    def passes(self, source: Host, target: Host, port: int, protocol: str) -> bool:
        """Say whether a connection may be made: fabric.Fabric.passes."""
        policies = self._tables.policies()
        if not policies or source is target:
            return True
        if source.node == target.node and "node" in (source.kind, target.kind):
            return True  # a node and its own pods
        return allowed(policies, self._party(source), self._party(target), port, protocol)

    def _party(self, host: Host) -> Party:
        if host.kind != "pod":
            return Party(host.address)
        pod = host.pod = self._pod_of(host) or host.pod
        if pod is None:
            return Party(host.address, host.name.partition("/")[0])
        namespace = namespace_of(pod)
        return Party(
            host.address, namespace, labels_of(pod),
            self._tables.namespace_labels(namespace), _named_ports(pod),
        )  # fmt: skip


def _named_ports(pod: Object) -> dict[tuple[str, str], int]:
    return {
        (port["name"], port.get("protocol", "TCP").lower()): port["containerPort"]
        for container in pod["spec"]["containers"]
        for port in container.get("ports") or ()
        if port.get("name")
    }
