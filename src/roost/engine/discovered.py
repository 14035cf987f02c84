"""Keeps controllers of all resources up to date with what the server serves.

The collector and the namespace controller follow every resource, and CustomResourceDefinitions come and
go. When what is established changes, their declarations are made anew and put into the engine, and
informers that nobody needs any more are dropped.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence

from roost.client.informer import Delta
from roost.decisions.controller import AnyController
from roost.decisions.resources import CUSTOM_RESOURCE_DEFINITIONS
from roost.decisions.served import Served, served_definitions
from roost.engine.engine import Engine

Build = Callable[[tuple[Served, ...]], Iterable[AnyController]]


class Discovered:
    """`build(served)` gives the declarations for `base` and what definitions add to it."""

    def __init__(self, engine: Engine, base: Sequence[Served], build: Build) -> None:
        self._engine = engine
        self._base = tuple(base)
        self._build = build
        self._added: tuple[Served, ...] = ()
        self._moved = asyncio.Event()
        self._definitions = engine.informers.informer(CUSTOM_RESOURCE_DEFINITIONS)
        for controller in build(self._base):
            engine.put(controller)

    async def run(self) -> None:
        """Follow the definitions until cancelled; the engine must run too."""
        self._definitions.listen(self._listen)
        try:
            await self._definitions.synced.wait()
            self._moved.set()
            while True:
                await self._moved.wait()
                self._moved.clear()
                self._update()
        finally:
            self._definitions.unlisten(self._listen)

    def _listen(self, _deltas: Sequence[Delta]) -> None:
        self._moved.set()

    def _update(self) -> None:
        known = {served.resource for served in self._base}
        found = served_definitions(self._definitions.cache.all())
        added = tuple(served for served in found if served.resource not in known)
        if added == self._added:
            return
        gone = {s.resource for s in self._added} - {s.resource for s in added}
        self._added = added
        for controller in self._build((*self._base, *added)):
            self._engine.put(controller)
        for resource in gone:
            self._engine.drop(resource)
