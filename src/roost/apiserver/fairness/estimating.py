"""How much work a request is, in seats: a long list counts for several requests.

A list is as wide as what it has to look at; a write, once it is answered, is as wide as those who
watch and must be told. All else has one seat. The numbers are those of the real server.
"""

from __future__ import annotations

from typing import Final

from roost.api.registry import Registry
from roost.apiserver import keys
from roost.apiserver.fairness.levels import WIDEST
from roost.apiserver.feed import Feed
from roost.apiserver.options import parse_bool
from roost.apiserver.requestinfo import RequestInfo
from roost.store.port import Store

_OBJECTS_PER_SEAT: Final = 100
_WATCHES_PER_SEAT: Final = 10
#: For how long each seat is taken by a write that is being told to its watchers, in seconds.
TELLING_S: Final = 0.005
_WRITING: Final = frozenset({"create", "update", "patch", "delete"})


def of_list(stored: int, limit: int, *, selects: bool) -> int:
    """Return the seats of a list: of `stored` objects, `limit` of them at a time if that is not 0."""
    returned = min(stored, limit) if limit > 0 else stored
    # Who selects may look at all of them to find a few.
    looked_at = stored if selects else returned
    return min(WIDEST, max(1, -(-looked_at // _OBJECTS_PER_SEAT)))


def of_telling(watchers: int) -> int:
    """Return the seats of a write while it is told to so many watchers; 0 if they are few."""
    return 0 if watchers < _WATCHES_PER_SEAT else min(WIDEST, -(-watchers // _WATCHES_PER_SEAT))


class Estimator:
    """Says how wide a request is."""

    def __init__(self, store: Store, registry: Registry, feed: Feed) -> None:
        self._store = store
        self._registry = registry
        self._feed = feed

    async def width(self, info: RequestInfo, query: dict[str, str]) -> int:
        """Return how many seats a list needs, or the beginning of a watch."""
        if info.verb != "list" and not parse_bool(query.get("sendInitialEvents")):
            return 1
        fields = query.get("fieldSelector", "")
        if info.name or fields.startswith("metadata.name="):
            return 1
        kind = self._registry.find(info.group, info.version, info.resource)
        if kind is None:
            return 1
        page = await self._store.list(keys.prefix_of(kind, info.namespace), limit=1)
        stored = len(page.records) + page.remaining
        limit = query.get("limit", "")
        selects = bool(fields or query.get("labelSelector"))
        return of_list(stored, int(limit[:18]) if limit.isdecimal() else 0, selects=selects)

    def telling(self, info: RequestInfo) -> int:
        """Return how many seats a write takes once it is done; 0 if few have to be told of it."""
        if info.verb not in _WRITING or not info.is_resource:
            return 0
        kind = self._registry.find(info.group, info.version, info.resource)
        return 0 if kind is None else of_telling(self._feed.watching(keys.prefix_of(kind)))
