"""The cluster's services, for the variables of containers; kept on disk, so that containers can be
restarted while the server is away."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable

import msgspec

from roost.api.values import Object
from roost.client.port import Query
from roost.decisions.resources import SERVICES
from roost.node.layout import Layout
from roost.node.mirror import Mirror
from roost.node.tools import Tools

log = logging.getLogger(__name__)

#: At most so often.
_KEPT_EVERY_S = 30.0


class ServiceCache:
    """`on_list` is called when the services were read whole."""

    def __init__(self, tools: Tools, layout: Layout, on_list: Callable[[], None]) -> None:
        self._files = tools.files
        self._path = f"{layout.root}/agent/services.json"
        self._changed = asyncio.Event()
        self._mirror = Mirror(
            tools.client,
            Query(SERVICES),
            tools.chance,
            on_list=lambda _: self._listed(on_list),
            on_event=lambda _, __: self._changed.set(),
        )

    def _listed(self, tell: Callable[[], None]) -> None:
        self._changed.set()
        tell()

    def known(self) -> Iterable[Object] | None:
        """Return the services, as they were if the server is away; None: never read."""
        if self._mirror.synced.is_set():
            return self._mirror.objects.values()
        kept = self._files.read(self._path)
        if kept is None:
            return None
        try:
            return list(msgspec.json.decode(kept, type=list[dict[str, object]]))
        except msgspec.DecodeError:
            return None

    async def run(self) -> None:
        """Follow the services until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._mirror.run())
            tasks.create_task(self._keep())

    async def _keep(self) -> None:
        kept = b""
        while True:
            await self._changed.wait()
            self._changed.clear()
            content = msgspec.json.encode(list(self._mirror.objects.values()))
            if content != kept:
                try:
                    self._files.write(self._path, content)
                    kept = content
                except OSError as error:
                    log.warning("keeping the services: %s", error)
            await asyncio.sleep(_KEPT_EVERY_S)
