"""The plugins whose work users configure: what they share about when they act.

Until the configuration has been read nobody knows what it forbids, so writes wait for it. What the
server itself must write to start is not asked about: a webhook that is down must not keep it down.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from roost.apiserver.admission.base import Base
from roost.apiserver.admission.surroundings import Concerning, Table
from roost.apiserver.attributes import Admission

#: The server's own client.
_SERVER: Final = "system:apiserver"
T = TypeVar("T", bound=Concerning)


@dataclass(slots=True)
class Stage:
    """How far the server has come."""

    loaded: asyncio.Event = field(default_factory=asyncio.Event)
    started: bool = False


class Configured(Base, Generic[T]):
    """A plugin with hooks or policies. `table` is replaced when they change."""

    def __init__(self, stage: Stage) -> None:
        self.table: Table[T] | None = None
        self._stage = stage

    async def _concerned(self, request: Admission) -> tuple[T, ...]:
        """Return the hooks or policies that may concern a request."""
        table = self.table
        if table is None:
            await self._stage.loaded.wait()
            table = self.table
            assert table is not None
        if not table.entries or (not self._stage.started and request.user.name == _SERVER):
            return ()
        return table.concerned(request)
