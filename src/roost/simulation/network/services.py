"""Services and names of a simulated cluster, as its nodes know them.

One pair of informers stands for those of all nodes; tables and the zone are made of what they hold when
somebody asks after a change. While the API server is away they stay as they were, as in the kernel.
"""

from __future__ import annotations

from collections.abc import Sequence

from roost.client.informer import Delta, Informers
from roost.network.dns.zone import Zone, build_zone, zone_table
from roost.network.proxy import SERVICES, SLICES
from roost.network.services import ServiceTable, service_table


class ServiceTables:
    """fabric.Tables over informers, which somebody else runs."""

    def __init__(self, informers: Informers) -> None:
        self._services = informers.informer(SERVICES)
        self._slices = informers.informer(SLICES)
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

    def zone(self) -> Zone:
        """Return the cluster's names."""
        if self._zone is None:
            self._zone = build_zone(
                zone_table(list(self._services.cache.all()), list(self._slices.cache.all()))
            )
        return self._zone
