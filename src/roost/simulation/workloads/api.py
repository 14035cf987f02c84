"""The API of the cluster, as a program in a pod has it: with the rights of its service account.

Kinds are named as people name them ("pods", "deploy", "widgets.example.org"); without a namespace the
program's own is meant. Rule: a request goes where requests of its node go: nowhere across a partition.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Protocol

from roost.api.kind import Kind
from roost.api.values import Object, Value
from roost.client.port import Client, DeleteOptions, PatchType, Query, WatchEvent


class Kinds(Protocol):
    """Finds a kind by what people call it; raises ValueError for what is not served."""

    def __call__(self, name: str) -> Kind: ...


class Api:
    """Raises the errors of roost.api.errors, and ConnectionError. Objects may be shared: copy before
    you change them."""

    def __init__(self, connect: Callable[[], Client], kinds: Kinds, namespace: str) -> None:
        self._connect = connect
        self._kinds = kinds
        self._namespace = namespace

    def _place(self, kind: Kind, namespace: str) -> str:
        return (namespace or self._namespace) if kind.namespaced else ""

    async def get(
        self, kind: str, name: str, namespace: str = "", *, subresource: str = ""
    ) -> Object:
        found = self._kinds(kind)
        place = self._place(found, namespace)
        return await self._connect().get(found.resource, name, place, subresource=subresource)

    async def list(
        self, kind: str, namespace: str = "", *, labels: str = "", fields: str = "",
        everywhere: bool = False,
    ) -> list[Object]:  # fmt: skip
        """Return what matches in a namespace, or everywhere."""
        query = self._query(kind, namespace, labels, fields, everywhere=everywhere)
        return list((await self._connect().list(query)).items)

    async def watch(
        self, kind: str, namespace: str = "", *, labels: str = "", fields: str = "",
        everywhere: bool = False,
    ) -> AsyncIterator[WatchEvent]:  # fmt: skip
        """Yield an ADDED event for all that is there, and then what happens.

        It ends when the connection does.
        """
        query = self._query(kind, namespace, labels, fields, everywhere=everywhere)
        client = self._connect()
        listed = await client.list(query)
        for one in listed.items:
            yield WatchEvent("ADDED", one)
        async for batch in client.watch(query, listed.resource_version):
            for event in batch:
                yield event

    def _query(
        self, kind: str, namespace: str, labels: str, fields: str, *, everywhere: bool
    ) -> Query:
        found = self._kinds(kind)
        place = "" if everywhere else self._place(found, namespace)
        return Query(found.resource, place, labels, fields)

    async def create(
        self, kind: str, body: Object, namespace: str = "", *, name: str = "", subresource: str = ""
    ) -> Object:
        """Create an object, or post to a subresource of `name`."""
        found = self._kinds(kind)
        own = str((body.get("metadata") or {}).get("namespace") or "")
        return await self._connect().create(
            found.resource, body, self._place(found, namespace or own),
            name=name, subresource=subresource,
        )  # fmt: skip

    async def update(self, kind: str, body: Object, *, subresource: str = "") -> Object:
        """Replace an object; one that carries a resourceVersion only if it still is the newest."""
        found = self._kinds(kind)
        place = self._place(found, str(body["metadata"].get("namespace") or ""))
        return await self._connect().update(found.resource, body, place, subresource=subresource)

    async def patch(
        self, kind: str, name: str, body: Value, namespace: str = "", *,
        type: PatchType = PatchType.MERGE, subresource: str = "",
    ) -> Object:  # fmt: skip
        found = self._kinds(kind)
        return await self._connect().patch(
            found.resource, name, body, self._place(found, namespace),
            type=type, subresource=subresource,
        )  # fmt: skip

    async def delete(
        self, kind: str, name: str, namespace: str = "", *, propagation: str | None = "Background"
    ) -> Object:
        found = self._kinds(kind)
        options = DeleteOptions(propagation=propagation)
        place = self._place(found, namespace)
        return await self._connect().delete(found.resource, name, place, options)
