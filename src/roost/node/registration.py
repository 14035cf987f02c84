"""Keeps the node in the API: the Node object, its status, and its Lease every ten seconds.

Others' changes to the Node (labels, taints, unschedulable, annotations) stay. Errors are waited out.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from roost.api.errors import AlreadyExists, Conflict, NotFound, StatusError
from roost.api.values import Object
from roost.client.port import PatchType
from roost.decisions.resources import NODES
from roost.node.nodeobject import (
    LEASES,
    NODE_LEASES,
    lease,
    new_node,
    node_status,
    own_labels,
    status_patch,
)
from roost.node.tools import NodeSettings, Tools
from roost.ports.heartbeats import rest
from roost.runtimes.port import Image, Images, RuntimeFault

log = logging.getLogger(__name__)

_RENEW_S = 10.0
_STATUS_S = 10.0
_HEARTBEAT_S = 300.0
_FIRST_RETRY_S = 0.5
_MAX_RETRY_S = 7.0
_ERRORS = (StatusError, RuntimeFault, OSError, TimeoutError, ValueError, TypeError, KeyError)


class Registration:
    """`node` is the Node as last seen (None before the first answer)."""

    def __init__(
        self, settings: NodeSettings, tools: Tools, pressure: Callable[[], tuple[str, ...]]
    ) -> None:
        self._settings = settings
        self._tools = tools
        self._pressure = pressure
        self.node: Object | None = None
        self.registered = asyncio.Event()

    def expected(self) -> Object:
        """Return the Node as seen, or as it will be registered: enough to admit pods by."""
        if self.node is not None and (self.node.get("status") or {}).get("allocatable"):
            return self.node
        now = self._tools.clock.now()
        return {**new_node(self._settings), "status": self._status([], {}, now)}

    async def look(self) -> bool:
        """Take in the Node as it is now; tell whether it could be seen."""
        try:
            self.node = await self._tools.client.get(NODES, self._settings.name)
        except _ERRORS as error:
            log.info("node %s: %r", self._settings.name, error)
            return False
        return True

    async def _images(self) -> list[Image]:
        found: list[Image] = []
        for runtime in self._tools.runtimes.all:
            if isinstance(runtime, Images):
                found.extend(await runtime.list_images())
        return found

    def _status(self, images: list[Image], before: Object, now: float) -> Object:
        info = self._tools.runtimes.all[0].describe()
        version = f"{info.name}://{info.version}"
        return node_status(self._settings, version, images, before, now, pressure=self._pressure())

    async def run(self) -> None:
        """Register, then keep status and lease fresh until cancelled."""
        heart = f"{NODE_LEASES}/{self._settings.name}"
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._keep(self._report_status, _STATUS_S))
            tasks.create_task(self._keep(self._renew, _RENEW_S, heart))
            tasks.create_task(self._keep(self._beat, _HEARTBEAT_S))

    async def _keep(
        self, step: Callable[[], Awaitable[None]], period_s: float, heart: str = ""
    ) -> None:
        delay = _FIRST_RETRY_S
        while True:
            try:
                await step()
            except _ERRORS as error:
                log.info("node %s: %r", self._settings.name, error)
                await asyncio.sleep(delay)
                delay = min(_MAX_RETRY_S, delay * 2)
            else:
                delay = _FIRST_RETRY_S
                await rest(period_s, heart)

    async def _beat(self) -> None:
        """Write the times of the conditions, once they are old."""
        if self.registered.is_set():
            await self._report_status(beat=True)

    async def report(self) -> None:
        """Write the status now; if that is not possible, the next one says the same."""
        try:
            await self._report_status()
        except _ERRORS as error:
            log.info("node %s: %r", self._settings.name, error)

    async def _report_status(self, *, beat: bool = False) -> None:
        client, name = self._tools.client, self._settings.name
        try:
            node = await client.get(NODES, name)
        except NotFound:
            try:
                node = await client.create(NODES, new_node(self._settings))
            except AlreadyExists:
                node = await client.get(NODES, name)
        labels = node["metadata"].get("labels") or {}
        missing = {k: v for k, v in own_labels(self._settings).items() if labels.get(k) != v}
        known = node["metadata"].get("annotations") or {}
        stated = self._settings.annotations.items()
        unsaid = {key: value for key, value in stated if known.get(key) != value}
        if missing or unsaid:
            own = {"metadata": {"labels": missing, "annotations": unsaid}}
            node = await client.patch(NODES, name, own)
        now = self._tools.clock.now()
        before = node.get("status") or {}
        patch = status_patch(
            before, self._status(await self._images(), before, now), heartbeat=beat
        )
        if patch is not None:
            node = await client.patch(
                NODES, name, patch, type=PatchType.STRATEGIC, subresource="status"
            )
        self.node = node
        self.registered.set()

    async def _renew(self) -> None:
        client, settings = self._tools.client, self._settings
        uid = "" if self.node is None else self.node["metadata"].get("uid", "")
        wanted = lease(settings, self._tools.clock.now(), uid)
        try:
            known = await client.get(LEASES, settings.name, NODE_LEASES)
        except NotFound:
            await client.create(LEASES, wanted, NODE_LEASES)
            return
        spec = {**(known.get("spec") or {}), **wanted["spec"]}
        metadata = {**known["metadata"]}
        if "ownerReferences" in wanted["metadata"]:
            metadata["ownerReferences"] = wanted["metadata"]["ownerReferences"]
        try:
            await client.update(LEASES, {**known, "metadata": metadata, "spec": spec}, NODE_LEASES)
        except Conflict:
            log.debug("the lease of %s was changed by another", settings.name)
