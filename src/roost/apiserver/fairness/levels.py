"""Seats and queues of priority levels: who may begin now, who waits, who is refused. Pure.

The server has so many seats; each level has a nominal share of them, of which it lends out a part that
it does not need. A level that is over its share may use seats that nobody else has a right to at the
moment. Within a level, flows are dealt to a few of many queues, and the queue that has had least gets
the next seat: a flow that asks for more than others only makes itself wait.

Rule: a level below its nominal share never waits for another.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Generic, TypeVar

from roost.api.values import Object

WaiterT = TypeVar("WaiterT")

_SHARES = 30
_QUEUES, _HAND, _LENGTH = 64, 8, 50
#: The most seats that any request needs, and the largest part of its level's that it may take.
WIDEST = 10
_WIDEST_PART = 0.15


@dataclass(frozen=True, slots=True)
class Limits:
    """A PriorityLevelConfiguration as numbers; no queues means: refuse instead of queuing."""

    name: str
    uid: str = ""
    exempt: bool = False
    shares: int = _SHARES
    lendable: float = 0.0
    borrowing: float | None = None
    queues: int = 0
    hand: int = 1
    length: int = 0


def limits_of(obj: Object) -> Limits:
    """Return a PriorityLevelConfiguration object, read."""
    name, uid = obj["metadata"]["name"], obj["metadata"].get("uid", "")
    if obj["spec"]["type"] == "Exempt":
        return Limits(name, uid, exempt=True, shares=0)
    limited = obj["spec"].get("limited") or {}
    response = limited.get("limitResponse") or {}
    queuing = response.get("queuing") or {}
    queued = response.get("type") == "Queue"
    borrowing = limited.get("borrowingLimitPercent")
    return Limits(
        name,
        uid,
        shares=limited.get("nominalConcurrencyShares", _SHARES),
        lendable=limited.get("lendablePercent", 0) / 100,
        borrowing=None if borrowing is None else borrowing / 100,
        queues=queuing.get("queues", _QUEUES) if queued else 0,
        hand=queuing.get("handSize", _HAND) if queued else 1,
        length=queuing.get("queueLengthLimit", _LENGTH) if queued else 0,
    )


class Queue(Generic[WaiterT]):
    """Waiters in order, each with the seats that it needs. `had` is how many the queue was given."""

    __slots__ = ("had", "waiters")

    def __init__(self) -> None:
        self.had = 0.0
        self.waiters: deque[tuple[WaiterT, int]] = deque()


class Level(Generic[WaiterT]):
    """The counters of one level."""

    __slots__ = (
        "_queues", "_round", "floor", "in_use", "limits", "most", "nominal", "waiting", "widest",
    )  # fmt: skip

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        #: Seats that are its own; seats of them that are never lent; the most it may ever use.
        self.nominal = 0
        self.floor = 0
        self.most = 0
        #: The most seats that one of its requests may need.
        self.widest = 1
        #: Seats that are taken, and how many requests wait for some.
        self.in_use = 0
        self.waiting = 0
        self._queues: tuple[Queue[WaiterT], ...] = tuple(Queue() for _ in range(limits.queues))
        #: What the queue that got the last seat had had: newcomers begin there.
        self._round = 0.0

    def enqueue(self, waiter: WaiterT, flow: int, width: int = 1) -> Queue[WaiterT] | None:
        """Put a waiter into the shortest queue of the flow's hand; None when it is full."""
        if not self._queues:
            return None
        hand = deal(flow, len(self._queues), self.limits.hand)
        queue = min((self._queues[card] for card in hand), key=lambda q: len(q.waiters))
        if len(queue.waiters) >= self.limits.length:
            return None
        if not queue.waiters:
            queue.had = max(queue.had, self._round)
        queue.waiters.append((waiter, width))
        self.waiting += 1
        return queue

    def turn(self) -> Queue[WaiterT]:
        """Return the queue whose turn it is; somebody must be waiting."""
        return min((q for q in self._queues if q.waiters), key=lambda q: q.had)

    def next(self) -> tuple[WaiterT, int]:
        """Take the waiter whose turn it is, with the seats it needs; there must be one."""
        queue = self.turn()
        waiter, width = queue.waiters.popleft()
        self._round = queue.had
        queue.had += width
        self.waiting -= 1
        return waiter, width

    def withdraw(self, waiter: WaiterT, queue: Queue[WaiterT]) -> bool:
        """Take a waiter out that waits no longer; False if its turn has come already."""
        for waiting in queue.waiters:
            if waiting[0] is waiter:
                queue.waiters.remove(waiting)
                self.waiting -= 1
                return True
        return False


def share_out(levels: Iterable[Level[WaiterT]], seats: int) -> None:
    """Divide the server's seats among the levels, in proportion to their shares."""
    every = list(levels)
    total = sum(level.limits.shares for level in every) or 1
    for level in every:
        limits = level.limits
        level.nominal = ceil(seats * limits.shares / total)
        level.floor = level.nominal - int(level.nominal * limits.lendable)
        level.widest = min(WIDEST, max(1, ceil(level.nominal * _WIDEST_PART)))
        if limits.borrowing is None:
            level.most = max(seats, level.nominal)
        else:
            level.most = level.nominal + int(level.nominal * limits.borrowing)


def may_begin(
    level: Level[WaiterT], levels: Sequence[Level[WaiterT]], seats: int, width: int = 1
) -> bool:
    """May a level use `width` more seats? Levels without limits count for nothing."""
    wanted = level.in_use + width
    if wanted <= level.nominal:
        return True
    if wanted > level.most:
        return False
    held = sum(max(each.in_use, each.floor) for each in levels if not each.limits.exempt)
    return held - max(level.in_use, level.floor) + max(wanted, level.floor) <= seats


def deal(flow: int, deck: int, hand: int) -> list[int]:
    """Return `hand` different cards of a deck of `deck`, chosen by a flow's hash value."""
    cards: list[int] = []
    for dealt in range(min(hand, deck)):
        flow, card = divmod(flow, deck - dealt)
        for taken in sorted(cards):
            if card < taken:
                break
            card += 1
        cards.append(card)
    return cards
