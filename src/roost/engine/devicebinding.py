"""Writes into resource claims what the scheduler gave them, and which pods may use them."""

from __future__ import annotations

from collections.abc import Mapping

from roost.api.errors import Conflict, NotFound
from roost.api.values import Object
from roost.client.port import Client, PatchType
from roost.decisions.controller import Key
from roost.decisions.meta import deleting, uid_of, version_of
from roost.decisions.resources import RESOURCE_CLAIMS
from roost.scheduler.devices import Devices, allocation_of, consumers, reserved_for
from roost.scheduler.shape import PodInfo

#: Keeps a claim from being deleted while it has devices.
FINALIZER = "resource.kubernetes.io/delete-protection"
_TRIES = 5


class DeviceBinder:
    """Sends for one scheduler."""

    def __init__(self, client: Client, devices: Devices) -> None:
        self._client = client
        self._devices = devices

    async def reserve(self, info: PodInfo, allocations: Mapping[Key, Object]) -> None:
        """Give claims their devices, and all of the pod's claims to the pod.

        Raises what the server answers, and TimeoutError if somebody else was faster.
        """
        for key, claim in self._devices.of(info).items():
            if not reserved_for(claim, info.uid):
                await self._reserve(info, key, claim, allocations.get(key))

    async def _reserve(
        self, info: PodInfo, key: Key, claim: Object, allocation: Object | None
    ) -> None:
        shown = f"claim {key.namespace}/{key.name}"
        for left in reversed(range(_TRIES)):
            if deleting(claim):
                raise TimeoutError(f"{shown} got deleted in the meantime")
            if allocation is not None and allocation_of(claim) is not None:
                raise TimeoutError(f"{shown} got allocated elsewhere in the meantime")
            try:
                await self._write(info, key, claim, allocation)
            except Conflict:
                if not left:
                    raise
                claim = await self._client.get(RESOURCE_CLAIMS, key.name, key.namespace)
            else:
                return

    async def _write(
        self, info: PodInfo, key: Key, claim: Object, allocation: Object | None
    ) -> None:
        finalizers = claim["metadata"].get("finalizers") or []
        if allocation is not None and FINALIZER not in finalizers:
            body: Object = {
                "metadata": {
                    "resourceVersion": version_of(claim),
                    "finalizers": [*finalizers, FINALIZER],
                }
            }
            claim = await self._client.patch(RESOURCE_CLAIMS, key.name, body, key.namespace)
        user = {"resource": "pods", "name": info.key.name, "uid": info.uid}
        status: Object = {"reservedFor": [*consumers(claim), user]}
        if allocation is not None:
            status["allocation"] = allocation
        body = {
            "metadata": {"uid": uid_of(claim), "resourceVersion": version_of(claim)},
            "status": status,
        }
        await self._client.patch(
            RESOURCE_CLAIMS, key.name, body, key.namespace, subresource="status"
        )

    async def release(self, info: PodInfo) -> None:
        """Take claims from a pod that was not bound after all."""
        for key, claim in self._devices.of(info).items():
            body: Object = {
                "metadata": {"uid": uid_of(claim)},
                "status": {"reservedFor": [{"$patch": "delete", "uid": info.uid}]},
            }
            try:
                await self._client.patch(
                    RESOURCE_CLAIMS, key.name, body, key.namespace,
                    type=PatchType.STRATEGIC, subresource="status",
                )  # fmt: skip
            except NotFound:
                continue

    async def deallocate(self, key: Key) -> None:
        """Take back the devices of a claim, unless it has changed."""
        claim = self._devices.claims.get(key)
        if claim is None:
            return
        body: Object = {
            "metadata": {"uid": uid_of(claim), "resourceVersion": version_of(claim)},
            "status": {"allocation": None, "reservedFor": None},
        }
        await self._client.patch(
            RESOURCE_CLAIMS, key.name, body, key.namespace, subresource="status"
        )
