"""Keeps the APIService objects: those of what is served here, and the conditions of all.

What this server serves has an APIService that is always available; when it is served no longer, the
object goes. Others are available when their extension server answers, which is asked every so often.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from roost.api.errors import StatusError
from roost.api.values import Object
from roost.apiserver.aggregation.local import (
    APISERVICES,
    is_local,
    is_managed,
    local_condition,
    wanted,
)
from roost.apiserver.aggregation.remote import Remotes
from roost.client.informer import Delta, Informers
from roost.client.port import Client
from roost.decisions import conditions
from roost.decisions.meta import name_of, stamp
from roost.ports.port import WallClock

#: How often what is served is looked at; custom resources come and go at run time.
_LOOK_EVERY_S: Final = 1.0
_CHECK_EVERY_S: Final = 30.0


class Services:
    """Follows the APIServices through informers, which somebody else runs.

    `complete` is called once everything that is served here has its object. What is served is looked at
    every `look_every_s` seconds; None: only when an object changes.
    """

    def __init__(
        self,
        served: Callable[[], set[tuple[str, str]]],
        client: Client,
        clock: WallClock,
        informers: Informers,
        remotes: Remotes,
        complete: Callable[[], None],
        *,
        look_every_s: float | None = _LOOK_EVERY_S,
    ) -> None:
        self._served = served
        self._client = client
        self._clock = clock
        self._informers = informers
        self._remotes = remotes
        self._complete = complete
        self._look_every_s = look_every_s
        self._changed = asyncio.Event()
        informers.informer(APISERVICES).listen(self._note)

    def _note(self, deltas: Sequence[Delta]) -> None:
        if deltas:
            self._changed.set()

    async def run(self) -> None:
        """Keep the objects until cancelled."""
        await self._informers.informer(APISERVICES).synced.wait()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._keep(), name="apiservices")
            tasks.create_task(self._check(), name="extension servers")

    async def _keep(self) -> None:
        seen: set[tuple[str, str]] = set()
        while True:
            served = self._served()
            if served != seen or self._changed.is_set():
                self._changed.clear()
                if await self._settle(served):
                    seen = served
                    self._complete()
            try:
                async with asyncio.timeout(self._look_every_s):
                    await self._changed.wait()
            except TimeoutError:
                continue

    async def _settle(self, served: set[tuple[str, str]]) -> bool:
        """Make, mend and remove objects; False if something has to be tried again."""
        goal = wanted(served)
        found = {name_of(service): service for service in self._informers[APISERVICES].all()}
        self._remotes.use(service for service in found.values() if not is_local(service))
        steps: list[Awaitable[bool]] = [
            self._try(self._create(service)) for name, service in goal.items() if name not in found
        ]
        for name, service in found.items():
            if not is_local(service):
                continue
            if name not in goal and is_managed(service):
                steps.append(self._try(self._client.delete(APISERVICES, name)))
            else:
                steps.append(self._say(service, local_condition()))
        async with asyncio.TaskGroup() as tasks:  # side by side: the store writes them together
            running = [tasks.create_task(_done(step)) for step in steps]
        return all(task.result() for task in running)

    async def _create(self, service: Object) -> None:
        made = await self._client.create(APISERVICES, service)
        await self._say(made, local_condition())

    async def _say(self, service: Object, wanted_condition: Object) -> bool:
        """Write an Available condition, unless it is there already."""
        old = (service.get("status") or {}).get("conditions") or ()
        known = conditions.find(old, wanted_condition["type"])
        if known is not None and all(known.get(k) == v for k, v in wanted_condition.items()):
            return True
        new = {**wanted_condition, "lastTransitionTime": stamp(self._clock.now())}
        told = {**service, "status": {"conditions": conditions.put(old, new)}}
        return await self._try(self._client.update(APISERVICES, told, subresource="status"))

    @staticmethod
    async def _try(step: Awaitable[object]) -> bool:
        try:
            await step
        except StatusError:
            return False  # somebody else was faster; the change comes here and is looked at
        return True

    async def _check(self) -> None:
        """Ask the extension servers, one after the other, for as long as there are any."""
        while True:
            for service in tuple(self._informers[APISERVICES].all()):
                if not is_local(service):
                    await self._say(service, await self._remotes.check(service))
                    await self._remotes.describe(service)
            await self._remotes.wait(_CHECK_EVERY_S)


async def _done(step: Awaitable[bool]) -> bool:
    return await step
