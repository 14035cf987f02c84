"""Keeps a node's service data path and DNS table like the cluster's Services and EndpointSlices.

Rule of failure: what is programmed stays until a complete list of both resources says otherwise. A
server that is away, that refuses or that answers nonsense changes nothing; the kernel and the DNS
process go on.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

import msgspec

from roost.api.kind import Resource
from roost.client.informer import Delta, Informers
from roost.network.dns.zone import DOMAIN, zone_table
from roost.network.plan import NetworkError, NodeNetwork
from roost.network.rules import Rules
from roost.network.services import Backend, Frontend, ServiceTable, Target, service_table

SERVICES: Final = Resource("", "v1", "services")
SLICES: Final = Resource("discovery.k8s.io", "v1", "endpointslices")
#: Changes often come in swarms (a rollout); one transaction takes all that come within this time.
_SETTLE_S: Final = 0.02
_RETRY_S: Final = 5.0

log = logging.getLogger(__name__)


class Dataplane(Protocol):
    """What carries out Rules; see dataplane.py."""

    async def program(self, rules: Rules) -> None: ...


class ServiceProxy:
    """Follows Services and EndpointSlices for one node.

    `publish_names` gets the encoded DNS table whenever it changed. `informers` must be running.
    """

    def __init__(
        self,
        network: NodeNetwork,
        node_name: str,
        informers: Informers,
        dataplane: Dataplane,
        *,
        host_ports: Callable[[], Mapping[Frontend, Target]],
        publish_names: Callable[[bytes], None],
        upstreams: Sequence[str] = (),
    ) -> None:
        self._network = network
        self._node_name = node_name
        self._services = informers.informer(SERVICES)
        self._slices = informers.informer(SLICES)
        self._dataplane = dataplane
        self._host_ports = host_ports
        self._publish_names = publish_names
        self._upstreams = list(upstreams)
        self._changed = asyncio.Event()
        self._names = b""

    def poke(self) -> None:
        """Look again: host ports have changed."""
        self._changed.set()

    async def run(self) -> None:
        """Follow until cancelled."""

        def listen(_: Sequence[Delta]) -> None:
            self._changed.set()

        for informer in (self._services, self._slices):
            informer.listen(listen)
        try:
            await self._services.synced.wait()
            await self._slices.synced.wait()
            self._changed.set()
            while True:
                await self._changed.wait()
                await asyncio.sleep(_SETTLE_S)
                self._changed.clear()
                await self._apply()
        finally:
            for informer in (self._services, self._slices):
                informer.unlisten(listen)

    async def _apply(self) -> None:
        services, slices = list(self._services.cache.all()), list(self._slices.cache.all())
        table = {**zone_table(services, slices, DOMAIN), "upstreams": self._upstreams}
        names = msgspec.json.encode(table)
        unsaid = False
        if names != self._names:
            try:
                self._publish_names(names)
                self._names = names
            except OSError as error:
                log.error("the names of services could not be written: %s", error)  # noqa: TRY400
                unsaid = True
        found = service_table(services, slices, self._node_name)
        rules = Rules(with_local_dns(found, self._network), self._host_ports())
        try:
            await self._dataplane.program(rules)
        except NetworkError as error:
            log.error("services could not be programmed: %s", error)  # noqa: TRY400 - one line
            unsaid = True
        if unsaid:
            await asyncio.sleep(_RETRY_S)
            self._changed.set()


def with_local_dns(table: ServiceTable, network: NodeNetwork) -> ServiceTable:
    """Return the table with the cluster's DNS address leading to this node's own DNS process."""
    here = Backend(((network.gateway, 53),), name="cluster DNS on this node")
    local = {Frontend(network.dns_address, protocol, 53): here for protocol in ("tcp", "udp")}
    return ServiceTable({**table.backends, **local})
