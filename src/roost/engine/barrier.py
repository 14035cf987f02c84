"""Read your writes: a key is not reconciled before the caches have seen what it last wrote.

This takes the place of client-go's expectations. Resource versions are compared as numbers where both
are; otherwise the cached object must be the written one. A write that does not show up within 30 s
(another server's oddity, a restored backup) is given up, and counted.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from roost.api.kind import Resource
from roost.api.values import Object
from roost.client.informer import Informers
from roost.decisions.controller import Key

TIMEOUT_S = 30.0

#: Whose write it was: a controller's name and its key.
Mark: TypeAlias = tuple[str, Key]


@dataclass(frozen=True, slots=True)
class Write:
    """What the server answered to one write; `version` is "" for a deletion."""

    resource: Resource
    namespace: str
    name: str
    uid: str
    version: str = ""

    @classmethod
    def of(cls, resource: Resource, answer: Object) -> Write:
        metadata = answer["metadata"]
        return cls(
            resource, metadata.get("namespace", ""), metadata["name"], metadata.get("uid", ""),
            metadata.get("resourceVersion", ""),
        )  # fmt: skip


def seen(write: Write, informers: Informers) -> bool:
    """Say whether the caches reflect a write (always, for a resource that nobody follows)."""
    informer = informers.find(write.resource)
    if informer is None:
        return True
    cached = informer.cache.get(write.namespace, write.name)
    if not write.version:
        if cached is None:
            return True
        metadata = cached["metadata"]
        return metadata.get("uid") != write.uid or "deletionTimestamp" in metadata
    comparable = write.version.isdecimal() and informer.version.isdecimal()
    if comparable and int(informer.version) >= int(write.version):
        return True
    return cached is not None and cached["metadata"].get("resourceVersion") == write.version


class Barrier:
    """Remembers, per key, the writes that the caches have not shown yet."""

    def __init__(self, informers: Informers) -> None:
        self.given_up = 0
        self._informers = informers
        self._waits: dict[Mark, tuple[list[Write], float]] = {}
        self._parked: dict[Resource, dict[Mark, None]] = {}

    def note(self, key: Mark, writes: Iterable[Write], now: float) -> None:
        """Remember what was written for `key`."""
        unseen = [write for write in writes if not seen(write, self._informers)]
        if unseen:
            earlier, _ = self._waits.get(key, ([], 0.0))
            self._waits[key] = ([*earlier, *unseen], now + TIMEOUT_S)

    def closed_until(self, key: Mark, now: float) -> float | None:
        """Return None if `key` may be reconciled, else the time when to ask again at the latest.

        A closed key is given back by `opened` when one of its resources moves.
        """
        wait = self._waits.get(key)
        if wait is None:
            return None
        writes, deadline = wait
        unseen = [write for write in writes if not seen(write, self._informers)]
        if unseen and now < deadline:
            self._waits[key] = (unseen, deadline)
            for write in unseen:
                self._parked.setdefault(write.resource, {})[key] = None
            return deadline
        self.given_up += len(unseen)
        del self._waits[key]
        return None

    def opened(self, resource: Resource) -> list[Mark]:
        """Return the keys that waited for `resource`, whose cache has moved."""
        return list(self._parked.pop(resource, ()))
