"""Lists and watches a resource, for ever, and keeps what it last saw.

Rule: only a complete list or a watch event changes what is known. An error of any kind (401, 403, 404,
5xx, garbage, an answer without a revision, a broken watch) is waited out with back-off, 1 to 30 s.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from roost.api.errors import StatusError
from roost.api.values import Object
from roost.client.port import Client, Query
from roost.ports.port import Chance

log = logging.getLogger(__name__)

FIRST_RETRY_S = 1.0
MAX_RETRY_S = 30.0
_PAGE = 500

#: What a client may raise when the other side is away or talks nonsense.
CLIENT_ERRORS = (StatusError, OSError, TimeoutError, EOFError, ValueError, TypeError, KeyError,
                 AttributeError)  # fmt: skip


class IncompleteList(ValueError):
    """An answer to LIST that must not be believed."""


async def complete_list(client: Client, query: Query) -> tuple[dict[str, Object], str]:
    """Return all objects by uid and the list's version; raise rather than return a part."""
    found: dict[str, Object] = {}
    token = ""
    while True:
        page = await client.list(query, limit=_PAGE, continue_token=token)
        if not page.resource_version:
            raise IncompleteList("the list has no resource version")
        for one in page.items:
            uid = one["metadata"]["uid"]
            if not isinstance(uid, str) or not uid:
                raise IncompleteList("an object of the list has no uid")
            found[uid] = one
        token = page.continue_token
        if not token:
            return found, page.resource_version


class Mirror:
    """Objects of one query, by uid. `synced` is set by the first complete list.

    `on_list(objects)` is called after each complete list, `on_event(type, object)` for each ADDED,
    MODIFIED and DELETED; both after `objects` is up to date.
    """

    def __init__(
        self,
        client: Client,
        query: Query,
        chance: Chance,
        *,
        on_list: Callable[[dict[str, Object]], None] | None = None,
        on_event: Callable[[str, Object], None] | None = None,
        accepts: Callable[[Object], bool] | None = None,
    ) -> None:
        self._client = client
        self._query = query
        self._chance = chance
        self._on_list = on_list
        self._on_event = on_event
        self._accepts = accepts
        self.objects: dict[str, Object] = {}
        self.synced = asyncio.Event()
        #: Is the server answering? For the node's conditions and for tests.
        self.connected = False

    async def run(self) -> None:
        """Follow the query until cancelled."""
        delay = FIRST_RETRY_S
        while True:
            listed = False
            try:
                version = await self._list()
                listed = True
                await self._watch(version)
            except CLIENT_ERRORS as error:
                log.info("following %s: %r", self._query.resource.plural, error)
            self.connected = False
            if listed:
                delay = FIRST_RETRY_S
            await asyncio.sleep(delay * (0.75 + 0.5 * self._chance.uniform()))
            delay = min(MAX_RETRY_S, delay * 2)

    async def _list(self) -> str:
        found, version = await complete_list(self._client, self._query)
        if self._accepts is not None and not all(self._accepts(one) for one in found.values()):
            raise IncompleteList("the list holds objects that were not asked for")
        self.objects = found
        self.connected = True
        self.synced.set()
        if self._on_list is not None:
            self._on_list(found)
        return version

    async def _watch(self, version: str) -> None:
        """Follow until the version is lost or the server fails; a quiet end is resumed."""
        while True:
            progress = False
            async for batch in self._client.watch(self._query, version):
                for event in batch:
                    progress = True
                    version = event.object["metadata"]["resourceVersion"]
                    self._take(event.type, event.object)
            if not progress:
                await asyncio.sleep(FIRST_RETRY_S)

    def _take(self, kind: str, obj: Object) -> None:
        if kind not in {"ADDED", "MODIFIED", "DELETED"}:
            return
        uid = obj["metadata"]["uid"]
        if self._accepts is not None and not self._accepts(obj):
            return
        if kind == "DELETED":
            self.objects.pop(uid, None)
        else:
            self.objects[uid] = obj
        if self._on_event is not None:
            self._on_event(kind, obj)
