"""Flows: takes every request to its place: it begins at once, waits for a seat, or is refused.

`enter` is the way of nearly all: one lookup and one comparison. Who gets None from it has to `wait`.
Whoever has a place must `leave` it. The configuration is that of the cluster's own objects, which
`use` may replace at any time; what already runs or waits keeps its place.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Final

from roost.api.values import Object
from roost.apiserver.attributes import User
from roost.apiserver.exposition import Family
from roost.apiserver.fairness.defaults import DEFAULT_LEVELS, DEFAULT_SCHEMAS
from roost.apiserver.fairness.levels import Level, Queue, limits_of, may_begin, share_out
from roost.apiserver.fairness.matching import Schema, ordered, schema_of
from roost.apiserver.fairness.tallies import Tallies, Tally
from roost.apiserver.messages import TEXT, Answer, Pieces
from roost.apiserver.requestinfo import RequestInfo
from roost.apiserver.waits import waited

#: Seats of a server: as many as the real one has, reading and writing together.
SEATS: Final = 600
#: For how long a request may wait for its seat, in seconds: a quarter of what it may take in all.
PATIENCE_S: Final = 15.0
_CACHE_LIMIT: Final = 16_384
_CATCH_ALL: Final = "catch-all"

_Waiter = asyncio.Future[None]


class Refused(Exception):
    """There is no place for the request, nor will there be soon."""


class Place:
    """Where a request of one flow belongs. `head` is what every answer to it says about that."""

    __slots__ = ("flow", "head", "level", "schema", "tally")

    def __init__(self, schema: Schema, level: Level[_Waiter], flow: int, tally: Tally) -> None:
        self.schema = schema.name
        self.tally = tally
        self.level = level
        self.flow = flow
        self.head = b""
        if schema.uid and level.limits.uid:
            self.head = (
                f"\r\nX-Kubernetes-Pf-Flowschema-Uid: {schema.uid}"
                f"\r\nX-Kubernetes-Pf-Prioritylevel-Uid: {level.limits.uid}"
            ).encode()


class Flows:
    """The places of one server."""

    def __init__(self, seats: int = SEATS, patience_s: float = PATIENCE_S) -> None:
        self._seats = seats
        self._patience_s = patience_s
        self._schemas: tuple[Schema, ...] = ()
        self._levels: dict[str, Level[_Waiter]] = {}
        self._limited: tuple[Level[_Waiter], ...] = ()
        self._places: dict[tuple[object, ...], Place] = {}
        self._waiting = 0
        self._tallies = Tallies()
        #: Levels that are no more, with those who still wait there.
        self._leaving: deque[Level[_Waiter]] = deque()
        self.use(DEFAULT_SCHEMAS, DEFAULT_LEVELS)

    def use(self, schemas: Iterable[Object], levels: Iterable[Object]) -> None:
        """Use these FlowSchema and PriorityLevelConfiguration objects from now on.

        Schemas without their level are passed over; `catch-all` is always there.
        """
        found = {limits.name: limits for limits in map(limits_of, levels)}
        for limits in map(limits_of, DEFAULT_LEVELS[:2]):
            found.setdefault(limits.name, limits)
        kept: dict[str, Level[_Waiter]] = {}
        for name, limits in found.items():
            old = self._levels.pop(name, None)
            if old is not None and old.limits == limits:
                kept[name] = old
                continue
            kept[name] = Level(limits)
            if old is not None:
                self._levels[name] = old
        self._leaving.extend(old for old in self._levels.values() if old.waiting)
        self._levels = kept
        self._limited = tuple(level for level in kept.values() if not level.limits.exempt)
        share_out(kept.values(), self._seats)
        read = {schema.name: schema for schema in map(schema_of, schemas)}
        for schema in map(schema_of, (DEFAULT_SCHEMAS[0], DEFAULT_SCHEMAS[-1])):
            read.setdefault(schema.name, schema)
        self._schemas = ordered(schema for schema in read.values() if schema.level in kept)
        self._places.clear()
        self._tallies.keep((schema.name, schema.level) for schema in self._schemas)

    # -- the way of a request

    def place(self, user: User, info: RequestInfo) -> Place:
        """Return where a request belongs."""
        if info.is_resource:
            key: tuple[object, ...] = (
                user.name, user.groups, info.verb, info.resource, info.group, info.subresource,
                info.namespace,
            )  # fmt: skip
        else:
            key = (user.name, user.groups, info.verb, info.path)
        found = self._places.get(key)
        if found is None:
            if len(self._places) >= _CACHE_LIMIT:
                self._places.clear()
            found = self._places[key] = self._find(user, info)
        return found

    def _find(self, user: User, info: RequestInfo) -> Place:
        schema = next((each for each in self._schemas if each.matches(user, info)), None)
        if schema is None:  # somebody who is in no group at all
            schema = next(each for each in self._schemas if each.name == _CATCH_ALL)
        text = f"{schema.name}\0{schema.distinguisher(user, info)}".encode()
        flow = int.from_bytes(hashlib.sha256(text).digest()[:8], "little")
        tally = self._tallies.of(schema.name, schema.level)
        return Place(schema, self._levels[schema.level], flow, tally)

    def enter(self, place: Place, width: int = 1) -> bool:
        """Take so many seats if they are free and nobody waits; else the request has to `wait`."""
        level = place.level
        if not level.waiting and (
            level.in_use + width <= level.nominal
            or level.limits.exempt
            or may_begin(level, self._limited, self._seats, width)
        ):
            level.in_use += width
            place.tally.begin(width)
            return True
        return False

    async def wait(self, place: Place, width: int = 1) -> None:
        """Return once there are seats. Raises Refused when too many wait, or for too long."""
        level, tally = place.level, place.tally
        loop = asyncio.get_running_loop()
        waiter, begun = loop.create_future(), loop.time()
        queue = level.enqueue(waiter, place.flow, width)
        if queue is None:
            tally.reject("queue-full" if level.limits.queues else "concurrency-limit", 0.0)
            raise Refused
        self._waiting += 1
        tally.waiting += 1
        try:
            async with asyncio.timeout(self._patience_s):
                await waiter
        except TimeoutError:
            if not waiter.done() or waiter.cancelled():  # or the seat came in the same moment
                self._give_up(level, waiter, queue)
                tally.reject("time-out", loop.time() - begun)
                raise Refused from None
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                self._vacate(level, width)
            else:
                self._give_up(level, waiter, queue)
            raise
        finally:
            tally.waiting -= 1
            waited(loop.time() - begun)
        tally.begin(width)
        tally.waited.observe(loop.time() - begun)

    def _give_up(self, level: Level[_Waiter], waiter: _Waiter, queue: Queue[_Waiter]) -> None:
        if level.withdraw(waiter, queue):
            self._waiting -= 1

    def leave(self, place: Place, width: int = 1) -> None:
        """Give seats back."""
        place.tally.end(width)
        self._vacate(place.level, width)

    def _vacate(self, level: Level[_Waiter], seats: int) -> None:
        level.in_use -= seats
        if self._waiting:
            self._dispatch()

    def leave_behind(self, place: Place, width: int, seats: int, for_s: float) -> None:
        """Leave, but take `seats` for a while: what was written still has to be told to many."""
        level = place.level
        level.in_use += seats
        asyncio.get_running_loop().call_later(for_s, self._vacate, level, seats)
        self.leave(place, width)

    def seated(self, body: Pieces, place: Place, width: int) -> Pieces:
        """Let a long body keep its seats while it is sent, but not for as long as a client likes."""
        timer: asyncio.TimerHandle | None = None

        def leave() -> None:
            nonlocal timer
            if timer is not None:
                timer.cancel()
                timer = None
                self.leave(place, width)

        timer = asyncio.get_running_loop().call_later(self._patience_s, leave)
        return body._replace(done=leave)

    def _dispatch(self) -> None:
        """Give free seats to those who wait: first to levels that are below their share."""
        for level in sorted(
            (*self._limited, *self._leaving), key=lambda each: each.in_use >= each.nominal
        ):
            while level.waiting:
                _, width = level.turn().waiters[0]
                if not may_begin(level, self._limited, self._seats, width):
                    break
                waiter, width = level.next()
                self._waiting -= 1
                if waiter.done():
                    continue
                level.in_use += width
                waiter.set_result(None)
        while self._leaving and not self._leaving[0].waiting:
            self._leaving.popleft()

    # -- what can be seen

    def families(self) -> Iterator[Family]:
        """Yield what is counted, for metrics."""
        yield from self._tallies.families()
        yield Family(
            "apiserver_flowcontrol_nominal_limit_seats", "gauge",
            "Nominal number of execution seats configured for each priority level",
            ("priority_level",),
            [((name,), level.nominal) for name, level in self._levels.items()],
        )  # fmt: skip


def too_many() -> Answer:
    """Return the answer to who was refused."""
    headers = (("X-Content-Type-Options", "nosniff"), ("Retry-After", "1"))
    return Answer(429, b"Too many requests, please try again later.\n", TEXT, headers)
