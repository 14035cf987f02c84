"""A store that counts how long each request to it takes, by operation and stored resource.

The names are those of the real server, whatever the store is: dashboards ask for them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Final

from roost.apiserver.exposition import Family
from roost.apiserver.keys import ROOT
from roost.ports.histogram import Histogram
from roost.store.port import ABSENT, Conflict, Draft, Page, Record, Store, StoreError, Write

_SECONDS: Final = (
    0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0,
    15.0, 20.0, 30.0, 45.0, 60.0,
)  # fmt: skip
_LABELS: Final = ("operation", "group", "resource")
_CORE: Final = "core"


class TimedStore:
    """See the module's text; a Store around another one."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._took: dict[tuple[str, str], Histogram] = {}
        self._failed: dict[tuple[str, str], int] = {}
        self.watch = store.watch
        self.compact = store.compact
        self.revision = store.revision
        self.fault = store.fault

    async def get(self, key: str) -> Record | None:
        """See Store."""
        now = asyncio.get_running_loop().time
        begun = now()
        try:
            return await self._store.get(key)
        except StoreError:
            self._fail("get", key)
            raise
        finally:
            self._note("get", key, now() - begun)

    async def list(
        self, prefix: str, *, limit: int = 0, after: str = "", revision: int = 0
    ) -> Page:
        """See Store."""
        now = asyncio.get_running_loop().time
        begun = now()
        try:
            return await self._store.list(prefix, limit=limit, after=after, revision=revision)
        except StoreError:
            self._fail("list", prefix)
            raise
        finally:
            self._note("list", prefix, now() - begun)

    async def commit(self, key: str, draft: Draft | None, expect: int) -> Record:
        """See Store."""
        return (await self._write((Write(key, draft, expect),)))[0]

    async def commit_together(self, writes: Sequence[Write]) -> Sequence[Record]:
        """See Store."""
        return await self._write(writes)

    async def _write(self, writes: Sequence[Write]) -> Sequence[Record]:
        now = asyncio.get_running_loop().time
        begun = now()
        try:
            if len(writes) == 1:
                return (await self._store.commit(*writes[0]),)
            return await self._store.commit_together(writes)
        except Conflict:
            raise  # a lost race is an answer
        except StoreError:
            for write in writes:
                self._fail(_operation(write), write.key)
            raise
        finally:
            took_s = now() - begun
            for write in writes:
                self._note(_operation(write), write.key, took_s)

    def _note(self, operation: str, key: str, seconds: float) -> None:
        at = (operation, _stem(key))
        took = self._took.get(at)
        if took is None:
            took = self._took[at] = Histogram(_SECONDS)
        took.observe(seconds)

    def _fail(self, operation: str, key: str) -> None:
        at = (operation, _stem(key))
        self._failed[at] = self._failed.get(at, 0) + 1

    def families(self) -> Iterator[Family]:
        """Yield what was counted, for metrics."""
        took = sorted((_labels(at), each) for at, each in self._took.items())
        failed = sorted((_labels(at), count) for at, count in self._failed.items())
        yield Family(
            "etcd_request_duration_seconds", "histogram",
            "Etcd request latency in seconds for each operation and object type.", _LABELS, took,
        )  # fmt: skip
        yield Family(
            "etcd_requests_total", "counter",
            "Etcd request counts for each operation and object type.", _LABELS,
            [(labels, each.total()) for labels, each in took],
        )  # fmt: skip
        yield Family(
            "etcd_request_errors_total", "counter",
            "Etcd failed request counts for each operation and object type.", _LABELS, failed,
        )  # fmt: skip


def _operation(write: Write) -> str:
    if write.draft is None:
        return "delete"
    return "create" if write.expect == ABSENT else "update"


def _stem(key: str) -> str:
    """Return group and resource of a key as they stand in it."""
    end = key.find("/", key.find("/", len(ROOT)) + 1)
    return key[len(ROOT) : end]


def _labels(at: tuple[str, str]) -> tuple[str, str, str]:
    group, _, resource = at[1].partition("/")
    return at[0], "" if group == _CORE else group, resource
