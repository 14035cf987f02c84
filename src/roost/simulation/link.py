"""How a component of a simulated cluster reaches the API server: a Client that can be cut.

Rule: while the server is down or the link is cut every request is refused, and watches end, as they do
when a connection breaks; who holds the link tries again as it would in a real cluster.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

from roost.api.kind import Resource
from roost.api.values import Object, Value
from roost.apiserver.attributes import User
from roost.apiserver.inprocess import InProcessClient, Manner
from roost.apiserver.server import ApiServer
from roost.client.port import DeleteOptions, ObjectList, PatchType, Query, WatchEvent


class Wire:
    """Where the server is now (None: nowhere), and every link to it."""

    def __init__(self) -> None:
        self.server: ApiServer | None = None
        self._links: dict[Link, None] = {}

    def link(self, user: User | None, manner: Manner) -> Link:
        """Return a link for a user; its watches get no bookmarks, for here nobody needs them."""
        link = Link(self, user, replace(manner, bookmark_s=None))
        self._links[link] = None
        return link

    def drop(self, link: Link) -> None:
        """Forget a link that nobody uses any more."""
        link.cut()
        self._links.pop(link, None)

    def connect(self, server: ApiServer | None) -> None:
        """Let all links lead to this server; what hung on the one before ends."""
        self.server = server
        for link in self._links:
            link.sever()


class Link:
    """client.port.Client over a wire."""

    def __init__(self, wire: Wire, user: User | None, manner: Manner) -> None:
        self._wire = wire
        self._user = user
        self._manner = manner
        self._client: InProcessClient | None = None
        self._is_cut = False

    def cut(self) -> None:
        """Break the link until it is mended."""
        self._is_cut = True
        self.sever()

    def mend(self) -> None:
        self._is_cut = False

    def sever(self) -> None:
        """End what is under way; the next request connects again."""
        client, self._client = self._client, None
        if client is not None:
            client.sever()

    def _connected(self) -> InProcessClient:
        if self._client is None:
            server = self._wire.server
            if server is None or self._is_cut:
                raise ConnectionRefusedError("the API server cannot be reached")
            self._client = server.client(self._user, manner=self._manner)
        return self._client

    async def get(
        self, resource: Resource, name: str, namespace: str = "", *, subresource: str = ""
    ) -> Object:
        return await self._connected().get(resource, name, namespace, subresource=subresource)

    async def list(
        self, query: Query, *, limit: int = 0, continue_token: str = "", resource_version: str = ""
    ) -> ObjectList:
        return await self._connected().list(
            query, limit=limit, continue_token=continue_token, resource_version=resource_version
        )

    async def watch(
        self, query: Query, resource_version: str
    ) -> AsyncIterator[Sequence[WatchEvent]]:
        async for batch in self._connected().watch(query, resource_version):
            yield batch

    async def create(
        self, resource: Resource, body: Object, namespace: str = "", *,
        name: str = "", subresource: str = "",
    ) -> Object:  # fmt: skip
        return await self._connected().create(
            resource, body, namespace, name=name, subresource=subresource
        )

    async def update(
        self, resource: Resource, body: Object, namespace: str = "", *, subresource: str = ""
    ) -> Object:
        return await self._connected().update(resource, body, namespace, subresource=subresource)

    async def patch(
        self, resource: Resource, name: str, body: Value, namespace: str = "", *,
        type: PatchType = PatchType.MERGE, subresource: str = "",
        field_manager: str = "", force: bool = False,
    ) -> Object:  # fmt: skip
        return await self._connected().patch(
            resource, name, body, namespace,
            type=type, subresource=subresource, field_manager=field_manager, force=force,
        )  # fmt: skip

    async def delete(
        self, resource: Resource, name: str, namespace: str = "",
        options: DeleteOptions | None = None,
    ) -> Object:  # fmt: skip
        return await self._connected().delete(resource, name, namespace, options)
