"""How a component of a simulated cluster reaches the API server: a Client that can be cut.

Rules: while the server is down or the link is cut every request is refused, and watches end, as they do
when a connection breaks; who holds the link tries again as it would in a real cluster. A slow link
delays requests and watch events; a bad one loses answers to requests that were carried out.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from dataclasses import replace
from typing import Any, Final, TypeVar

from roost.api.kind import Resource
from roost.api.values import Object, Value
from roost.apiserver.attributes import User
from roost.apiserver.inprocess import InProcessClient, Manner
from roost.apiserver.server import ApiServer
from roost.client.port import DeleteOptions, ObjectList, PatchType, Query, WatchEvent
from roost.ports.causes import Cause, current_cause
from roost.ports.port import Chance

ResultT = TypeVar("ResultT")
#: Who acts when a user is nobody's name.
_NODE: Final = "system:node:"


class Wire:
    """Where the server is now (None: nowhere), and every link to it."""

    def __init__(self) -> None:
        self.server: ApiServer | None = None
        #: Called when the server has gone, or another one has come.
        self.on_change: list[Callable[[], object]] = []
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
        for told in self.on_change:
            told()


class Link:
    """client.port.Client over a wire.

    `delay_s` is how long a request takes to arrive, and a watch event; of the answers to writes the
    share `lost` never arrives, by `chance`.
    """

    def __init__(self, wire: Wire, user: User | None, manner: Manner) -> None:
        self.delay_s = 0.0
        self.lost = 0.0
        self.chance: Chance | None = None
        self._wire = wire
        self._user = user
        self._manner = manner
        self._actor = _actor(user, manner)
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

    async def _arrive(self) -> InProcessClient:
        """Let a request take its time; return who carries it out."""
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        return self._connected()

    async def _write(self, request: Coroutine[Any, Any, ResultT]) -> ResultT:
        """Carry out a request that changes something, in the name of whoever is on this link."""
        known = current_cause.get()
        token = None
        if known is None:
            token = current_cause.set(Cause(self._actor))
        try:
            answer = await request
        finally:
            if token is not None:
                current_cause.reset(token)
        if self.lost and self.chance is not None and self.chance.uniform() < self.lost:
            raise ConnectionResetError("the answer was lost")
        return answer

    async def get(
        self, resource: Resource, name: str, namespace: str = "", *, subresource: str = ""
    ) -> Object:
        client = await self._arrive()
        return await client.get(resource, name, namespace, subresource=subresource)

    async def list(
        self, query: Query, *, limit: int = 0, continue_token: str = "", resource_version: str = ""
    ) -> ObjectList:
        client = await self._arrive()
        return await client.list(
            query, limit=limit, continue_token=continue_token, resource_version=resource_version
        )

    async def watch(
        self, query: Query, resource_version: str
    ) -> AsyncIterator[Sequence[WatchEvent]]:
        client = await self._arrive()
        async for batch in client.watch(query, resource_version):
            if self.delay_s:
                await asyncio.sleep(self.delay_s)
                if client is not self._client:
                    return  # the connection broke while the events were on their way
            yield batch

    async def create(
        self, resource: Resource, body: Object, namespace: str = "", *,
        name: str = "", subresource: str = "",
    ) -> Object:  # fmt: skip
        client = await self._arrive()
        return await self._write(
            client.create(resource, body, namespace, name=name, subresource=subresource)
        )

    async def update(
        self, resource: Resource, body: Object, namespace: str = "", *, subresource: str = ""
    ) -> Object:
        client = await self._arrive()
        return await self._write(client.update(resource, body, namespace, subresource=subresource))

    async def patch(
        self, resource: Resource, name: str, body: Value, namespace: str = "", *,
        type: PatchType = PatchType.MERGE, subresource: str = "",
        field_manager: str = "", force: bool = False,
    ) -> Object:  # fmt: skip
        client = await self._arrive()
        return await self._write(
            client.patch(
                resource, name, body, namespace,
                type=type, subresource=subresource, field_manager=field_manager, force=force,
            )
        )  # fmt: skip

    async def delete(
        self, resource: Resource, name: str, namespace: str = "",
        options: DeleteOptions | None = None,
    ) -> Object:  # fmt: skip
        client = await self._arrive()
        return await self._write(client.delete(resource, name, namespace, options))


def _actor(user: User | None, manner: Manner) -> str:
    """Return how the journal calls those on a link: "kubelet of node-1"."""
    name = "system:apiserver" if user is None else user.name
    if name.startswith(_NODE):
        return f"{manner.manager or 'kubelet'} of {name.removeprefix(_NODE)}"
    return name.removeprefix("system:")
