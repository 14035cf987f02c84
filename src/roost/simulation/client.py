"""The Client port for code that does not await: each call lets the simulation run until it is answered.

Almost no time passes in it: only as much as the answer itself needs. Kinds may be given as Resource, or
as people name them: "pods", "po", "Deployment", "deployments.apps".
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence

from roost.api.kind import Resource
from roost.api.registry import Registry
from roost.api.values import Object, Value
from roost.client.port import Client, DeleteOptions, PatchType, Query, WatchEvent
from roost.simulation.kinds import Named, find_kind
from roost.simulation.loop import VirtualLoop
from roost.simulation.replay import Recording, looking, recorded


class SyncClient:
    """Raises the errors of roost.api.errors, as every client does. Objects may be shared: copy before
    you change them."""

    def __init__(
        self, loop: VirtualLoop, client: Client, registry: Registry, recording: Recording
    ) -> None:
        self.recording = recording
        self._loop = loop
        self._client = client
        self._registry = registry

    def _place(self, kind: Named, namespace: str) -> tuple[Resource, str]:
        found = find_kind(self._registry, kind)
        return found.resource, (namespace or "default") if found.namespaced else ""

    @looking
    def get(self, kind: Named, name: str, namespace: str = "", *, subresource: str = "") -> Object:
        """Return an object; of a namespaced kind that in "default", unless another is named."""
        resource, place = self._place(kind, namespace)
        return self._loop.finish(
            self._client.get(resource, name, place, subresource=subresource), quiet=True
        )

    @looking
    def list(
        self, kind: Named, namespace: str = "", *, labels: str = "", fields: str = ""
    ) -> list[Object]:
        """Return all objects that match; without a namespace those of all."""
        resource = find_kind(self._registry, kind).resource

        async def listed() -> list[Object]:
            return list((await self._client.list(Query(resource, namespace, labels, fields))).items)

        return self._loop.finish(listed(), quiet=True)

    @recorded
    def create(
        self, kind: Named, body: Object, namespace: str = "", *, name: str = "",
        subresource: str = "",
    ) -> Object:  # fmt: skip
        """Create an object, or post to a subresource of `name`."""
        metadata: Mapping[str, Value] = body.get("metadata") or {}
        resource, place = self._place(kind, namespace or str(metadata.get("namespace") or ""))
        return self._loop.finish(
            self._client.create(resource, body, place, name=name, subresource=subresource)
        )

    @recorded
    def update(self, kind: Named, body: Object, *, subresource: str = "") -> Object:
        """Replace an object; one that carries a resourceVersion only if it still is the newest."""
        resource, place = self._place(kind, body["metadata"].get("namespace", ""))
        return self._loop.finish(
            self._client.update(resource, body, place, subresource=subresource)
        )

    @recorded
    def patch(
        self, kind: Named, name: str, body: Value, namespace: str = "", *,
        type: PatchType = PatchType.STRATEGIC, subresource: str = "",
        field_manager: str = "", force: bool = False,
    ) -> Object:  # fmt: skip
        """Patch an object, by default as `kubectl patch` does."""
        resource, place = self._place(kind, namespace)
        return self._loop.finish(
            self._client.patch(
                resource, name, body, place, type=type, subresource=subresource,
                field_manager=field_manager, force=force,
            )
        )  # fmt: skip

    @recorded
    def delete(
        self, kind: Named, name: str, namespace: str = "", *, grace_period_s: int | None = None,
        propagation: str | None = "Background",
    ) -> Object:  # fmt: skip
        """Begin to delete an object; its end may need time. Propagation as `kubectl delete` asks."""
        resource, place = self._place(kind, namespace)
        options = DeleteOptions(grace_period_s, propagation)
        return self._loop.finish(self._client.delete(resource, name, place, options))

    def watch(
        self, kind: Named, namespace: str = "", *, labels: str = "", fields: str = "",
        resource_version: str = "", within_s: float = 60.0,
    ) -> Iterator[WatchEvent]:  # fmt: skip
        """Yield events from `resource_version` on (default: from now on).

        Time passes while there is none; it ends when none came for `within_s` seconds.
        """
        query = Query(find_kind(self._registry, kind).resource, namespace, labels, fields)
        if not resource_version:
            listed = self._loop.finish(self._client.list(query, limit=1))
            resource_version = listed.resource_version
        return self._events(self._client.watch(query, resource_version), within_s)

    @recorded
    def _pass(self, instant: float) -> None:
        self._loop.advance_to(instant)

    def _events(
        self, batches: AsyncIterator[Sequence[WatchEvent]], within_s: float
    ) -> Iterator[WatchEvent]:
        waiting: deque[Sequence[WatchEvent]] = deque()

        async def follow() -> None:
            async for batch in batches:
                waiting.append(batch)

        with self._loop.gate:
            task = self._loop.create_task(follow(), name="watch")
        try:
            while not task.done():
                self._pass(self._loop.time())
                end = self._loop.time() + within_s
                while not waiting and not task.done():
                    due = self._loop.next_due()
                    if due is None or due > end:
                        self._pass(end)
                        break
                    self._pass(due)
                if not waiting:
                    return
                yield from waiting.popleft()
        finally:
            with self._loop.gate:
                task.cancel()
                self._loop.drain()
