"""What is counted of a store."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from fakes.timeless import run
from roost.apiserver.exposition import text_of
from roost.apiserver.storetimes import TimedStore
from roost.store.memory import MemoryStore
from roost.store.port import ABSENT, ANY, Conflict, Draft, Full, Record, Write

PODS = "/registry/core/pods/n/"
SETS = "/registry/apps/replicasets/n/"
DRAFT = Draft(b'{"metadata":{"resourceVersion":"', b'"}}')


class Slow(MemoryStore):
    """Takes 30 ms for each write, and is full when it is told so."""

    full = False

    async def commit(self, key: str, draft: Draft | None, expect: int) -> Record:
        await asyncio.sleep(0.03)
        if self.full:
            raise Full("full")
        return await super().commit(key, draft, expect)


async def shown(*, full: bool) -> Sequence[str]:
    inner = Slow()
    store = TimedStore(inner)
    await store.commit(PODS + "a", DRAFT, ABSENT)
    with suppress(Conflict):
        await store.commit(PODS + "a", DRAFT, ABSENT)
    inner.full = full
    with suppress(Full):
        await store.commit(PODS + "a", DRAFT, ANY)
    with suppress(Full):
        await store.commit(PODS + "a", None, ANY)
    await store.commit_together([Write(SETS + name, DRAFT, ABSENT) for name in "ab"])
    await store.list(PODS)
    await store.get(SETS + "a")
    return text_of(store.families()).decode().splitlines()


def test_requests_are_counted_by_operation_and_resource() -> None:
    lines = run(shown(full=False))
    for operation, group, resource, count in (
        ("create", "", "pods", 2), ("update", "", "pods", 1), ("delete", "", "pods", 1),
        ("list", "", "pods", 1), ("create", "apps", "replicasets", 2), ("get", "apps", "replicasets", 1),
    ):  # fmt: skip
        labels = f'{{operation="{operation}",group="{group}",resource="{resource}"}}'
        assert f"etcd_requests_total{labels} {count}" in lines
        assert f"etcd_request_duration_seconds_count{labels} {count}" in lines
    slow = '{operation="update",group="",resource="pods",le="%s"}'
    assert f"etcd_request_duration_seconds_bucket{slow % 0.025} 0" in lines
    assert f"etcd_request_duration_seconds_bucket{slow % 0.05} 1" in lines
    assert not any(line.startswith("etcd_request_errors_total{") for line in lines)


def test_what_fails_is_counted_but_for_lost_races() -> None:
    lines = [
        line for line in run(shown(full=True)) if line.startswith("etcd_request_errors_total{")
    ]
    assert lines == [
        'etcd_request_errors_total{operation="delete",group="",resource="pods"} 1',
        'etcd_request_errors_total{operation="update",group="",resource="pods"} 1',
    ]
