"""An API server in memory, with everything real but the world: for tests of what works with one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from roost.adapters.virtual.chance import SeededChance
from roost.adapters.virtual.clock import LoopClock
from roost.adapters.virtual.ids import SeededIds
from roost.api.registry import builtin
from roost.apiserver.attributes import Attributes, Decision
from roost.apiserver.server import ApiServer
from roost.store.memory import MemoryStore


class Everybody:
    """An authoriser that lets everybody do everything, or only those who are not `refused`."""

    def __init__(self, refused: str = "") -> None:
        self.refused = refused

    def authorize(self, request: Attributes) -> Decision:
        return Decision(allowed=request.user.name != self.refused)


@asynccontextmanager
async def running(
    store: MemoryStore | None = None, authorizer: Everybody | None = None
) -> AsyncIterator[ApiServer]:
    """A server that runs for as long as the context does."""
    api = ApiServer(
        store or MemoryStore(), builtin(), LoopClock(), SeededChance(), SeededIds(),
        authorizer=authorizer or Everybody(),
    )  # fmt: skip
    task = asyncio.create_task(api.run())
    try:
        await api.ready()
        yield api
    finally:
        task.cancel()
        await asyncio.wait([task])
