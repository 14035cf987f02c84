"""What the scheduler sends: bindings, what is in the way of a pod, and the removal of victims."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from roost.api.errors import NotFound, StatusError
from roost.api.values import Object
from roost.client.informer import Informers
from roost.client.port import Client, DeleteOptions, PatchType
from roost.client.recorder import EventRecorder
from roost.decisions import conditions
from roost.decisions.controller import Key
from roost.decisions.meta import (
    annotations_of,
    deleting,
    object_reference,
    stamp,
    uid_of,
    version_of,
)
from roost.decisions.pods import node_of
from roost.decisions.resources import PERSISTENT_VOLUME_CLAIMS, PERSISTENT_VOLUMES, PODS
from roost.decisions.volumes import (
    BOUND_BY_CONTROLLER,
    SELECTED_NODE,
    claim_reference,
    is_bound,
)
from roost.engine.devicebinding import DeviceBinder
from roost.ports.port import WallClock
from roost.scheduler.decide import Bind, Preempt, Scheduler
from roost.scheduler.preemption import PREEMPTED
from roost.scheduler.shape import PodInfo
from roost.scheduler.snapshot import NodeInfo

#: How long a pod waits for the volumes of its claims on the node that was chosen.
CLAIMS_TIMEOUT_S = 600.0
#: Between two questions to a server that does not answer.
_ASK_AGAIN_S = 1.0


class Binder:
    """Sends for one scheduler, which calls itself in events and conditions as its profiles."""

    def __init__(
        self,
        client: Client,
        clock: WallClock,
        informers: Informers,
        scheduler: Scheduler,
        *,
        events_rest_s: float = 0.0,
    ) -> None:
        #: By the names of profiles.
        self.recorders = {
            name: EventRecorder(client, clock, name, rest_s=events_rest_s)
            for name in scheduler.profiles
        }
        self._client = client
        self._clock = clock
        self._informers = informers
        self._volumes = scheduler.volumes
        self._nodes: Mapping[str, NodeInfo] = scheduler.snapshot.nodes
        self._devices = DeviceBinder(client, scheduler.devices)
        #: Volumes that are being given to claims, which the caches do not show yet.
        self._given: set[str] = set()
        self._claims_moved = asyncio.Event()

    def claims_moved(self) -> None:
        """Say that claims have changed."""
        self._claims_moved.set()
        self._claims_moved = asyncio.Event()

    def tell(self, info: PodInfo, type: str, reason: str, message: str) -> None:
        """Record an event about a pod."""
        recorder = self.recorders[info.shape.scheduler]
        recorder.record(object_reference(PODS, "Pod", info.pod), type, reason, message)

    async def bind(self, info: PodInfo, decision: Bind) -> None:
        """Bind a pod, its claims first. Raises what the server answers, and TimeoutError."""
        node = decision.node
        if info.shape.claims:
            await self._bind_claims(info, node)
        if info.shape.devices:
            await self._devices.reserve(info, decision.devices)
        try:
            await self._create_binding(info, node)
        except (StatusError, OSError, TimeoutError):
            await self._devices.release(info)
            raise
        namespace, name = info.key
        self.tell(
            info, "Normal", "Scheduled", f"Successfully assigned {namespace}/{name} to {node}"
        )

    async def _create_binding(self, info: PodInfo, node: str) -> None:
        namespace, name = info.key
        body = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": name, "namespace": namespace, "uid": info.uid},
            "target": {"kind": "Node", "name": node},
        }
        try:
            await self._client.create(PODS, body, namespace, name=name, subresource="binding")
        except (OSError, TimeoutError):
            if not await self._was_bound(info, node):
                raise

    async def _was_bound(self, info: PodInfo, node: str) -> bool:
        """Say whether a binding was carried out whose answer was lost.

        It asks until it knows: meanwhile the pod counts on its node, whose place may be taken.
        """
        namespace, name = info.key
        while True:
            try:
                live = await self._client.get(PODS, name, namespace)
            except NotFound:
                return False
            except (StatusError, OSError, TimeoutError):
                await asyncio.sleep(_ASK_AGAIN_S)
            else:
                return uid_of(live) == info.uid and node_of(live) == node

    async def _bind_claims(self, info: PodInfo, node: str) -> None:
        """Give the pod's claims volumes that are there, announce the node to whoever makes new ones,
        and wait until all claims have theirs.

        When that takes too long, or the provisioner gives up, the announcement is taken back.
        """
        known = self._nodes.get(node)
        chosen = self._volumes.choose(info.shape, known, self._given) if known else None
        if chosen is None:
            raise TimeoutError("the volumes of its claims are not to be had any more")
        names = {name for _, name in chosen.volumes}
        self._given |= names
        try:
            for claim, volume in chosen.volumes:
                await self._reserve(claim, volume)
            await self._announce(chosen.new, node)
            try:
                async with asyncio.timeout(CLAIMS_TIMEOUT_S):
                    await self._until_bound(info, chosen.new)
            except TimeoutError:
                await self._announce(chosen.new, None)
                raise
        finally:
            self._given -= names

    async def _until_bound(self, info: PodInfo, new: Sequence[Key]) -> None:
        told: set[Key] = set()
        while self._volumes.unbound(info.shape):
            for key in new:
                claim = self._volumes.claims.get(key)
                if claim is None or deleting(claim):
                    raise TimeoutError(f'persistentvolumeclaim "{key.name}" not found')
                if SELECTED_NODE in annotations_of(claim):
                    told.add(key)
                elif key in told and not is_bound(claim):
                    raise TimeoutError(
                        f'selectedNode annotation reset for PVC "{key.namespace}/{key.name}"'
                    )
            await self._claims_moved.wait()

    async def _reserve(self, claim: Key, volume: str) -> None:
        """Write the claim into a volume; the binder of claims does the rest."""
        known, found = self._volumes.volumes[volume], self._volumes.claims[claim]
        metadata: Object = {"resourceVersion": version_of(known)}
        if known["spec"].get("claimRef") is None:
            metadata["annotations"] = {BOUND_BY_CONTROLLER: "yes"}
        body = {"metadata": metadata, "spec": {"claimRef": claim_reference(found)}}
        await self._client.patch(PERSISTENT_VOLUMES, volume, body)

    async def _announce(self, claims: Sequence[Key], node: str | None) -> None:
        body = {"metadata": {"annotations": {SELECTED_NODE: node}}}
        for claim in claims:
            try:
                await self._client.patch(
                    PERSISTENT_VOLUME_CLAIMS, claim.name, body, claim.namespace
                )
            except NotFound:
                if node is not None:
                    raise

    async def report(self, info: PodInfo, reason: str, message: str, nominated: str) -> None:
        """Set the PodScheduled condition and the nominated node, where they differ."""
        pod = self._informers[PODS].get(*info.key)
        if pod is None or uid_of(pod) != info.uid or node_of(pod):
            return
        status = pod.get("status") or {}
        old = conditions.find(status.get("conditions"), "PodScheduled") or {}
        same = (old.get("status"), old.get("reason"), old.get("message"))
        if same == ("False", reason, message) and status.get("nominatedNodeName", "") == nominated:
            return
        condition = conditions.make(
            "PodScheduled", "False", reason, message, stamp(self._clock.now())
        )
        if old.get("status") == "False" and "lastTransitionTime" in old:
            condition["lastTransitionTime"] = old["lastTransitionTime"]
        generation = pod["metadata"].get("generation")
        if generation:
            condition["observedGeneration"] = generation
        body: Object = {
            "metadata": {"uid": info.uid},
            "status": {"conditions": [condition], "nominatedNodeName": nominated or None},
        }
        namespace, name = info.key
        await self._client.patch(
            PODS, name, body, namespace, type=PatchType.STRATEGIC, subresource="status"
        )

    async def clear_nomination(self, info: PodInfo) -> None:
        """Take the nominated node from a pod that a more important one came before."""
        namespace, name = info.key
        body: Object = {"metadata": {"uid": info.uid}, "status": {"nominatedNodeName": None}}
        try:
            await self._client.patch(PODS, name, body, namespace, subresource="status")
        except NotFound:
            return

    async def deallocate(self, claim: Key) -> None:
        """Take back the devices of a claim that nobody uses."""
        await self._devices.deallocate(claim)

    async def evict(self, info: PodInfo, decision: Preempt) -> None:
        """Delete the victims, after telling in their status why."""
        for key in decision.victims:
            victim = self._informers[PODS].get(*key)
            if victim is None or "deletionTimestamp" in victim["metadata"]:
                continue
            message = f"{info.shape.scheduler}: preempting to accommodate a higher priority pod"
            condition = conditions.make(
                "DisruptionTarget", "True", PREEMPTED, message,
                stamp(self._clock.now()),
            )  # fmt: skip
            if victim["metadata"].get("generation"):
                condition["observedGeneration"] = victim["metadata"]["generation"]
            body = {"metadata": {"uid": uid_of(victim)}, "status": {"conditions": [condition]}}
            try:
                await self._client.patch(
                    PODS, key.name, body, key.namespace,
                    type=PatchType.STRATEGIC, subresource="status",
                )  # fmt: skip
                options = DeleteOptions(uid=uid_of(victim))
                await self._client.delete(PODS, key.name, key.namespace, options)
            except NotFound:
                continue
            regarding = object_reference(PODS, "Pod", victim)
            text = f"Preempted by pod {info.uid} on node {decision.node}"
            self.recorders[info.shape.scheduler].record(regarding, "Normal", "Preempted", text)
