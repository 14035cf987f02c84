"""Services, names and policies of a simulated cluster, as its nodes know them.

One set of informers stands for those of all nodes; tables and the zone are made of what they hold when
somebody asks after a change. While the API server is away they stay as they were, as in the kernel.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from roost.api.kind import Resource
from roost.api.values import Object
from roost.client.informer import Delta, Informers
from roost.decisions.meta import labels_of
from roost.decisions.resources import NAMESPACES
from roost.network.dns.zone import Zone, build_zone, zone_table
from roost.network.proxy import SERVICES, SLICES
from roost.network.services import ServiceTable, service_table

NETWORK_POLICIES: Final = Resource("networking.k8s.io", "v1", "networkpolicies")


class ServiceTables:
    """fabric.Tables over informers, which somebody else runs."""

    def __init__(self, informers: Informers) -> None:
        self._services = informers.informer(SERVICES)
        self._slices = informers.informer(SLICES)
        self._policies = informers.informer(NETWORK_POLICIES)
        self._namespaces = informers.informer(NAMESPACES)
        self._tables: dict[str, ServiceTable] = {}
        self._zone: Zone | None = None
        for informer in (self._services, self._slices):
            informer.listen(self._changed)

    def _changed(self, _deltas: Sequence[Delta]) -> None:
        self._tables.clear()
        self._zone = None

    def table(self, node: str) -> ServiceTable:
        """Return the services as a node sees them."""
        found = self._tables.get(node)
        if found is None:
            found = service_table(self._services.cache.all(), self._slices.cache.all(), node)
            self._tables[node] = found
        return found

    def policies(self) -> Sequence[Object]:
        """Return the NetworkPolicies."""
        return list(self._policies.cache.all())

    def namespace_labels(self, name: str) -> Mapping[str, str]:
        """Return the labels of a namespace."""
        found = self._namespaces.cache.get("", name)
        return {} if found is None else labels_of(found)

    def zone(self) -> Zone:
        """Return the cluster's names."""
        if self._zone is None:
            self._zone = build_zone(
                zone_table(list(self._services.cache.all()), list(self._slices.cache.all()))
            )
        return self._zone
