"""Leadership is held by one at a time and passes on."""

from __future__ import annotations

import asyncio

import pytest

from fakes.cluster import Cluster, refuse
from fakes.timeless import run
from roost.api.errors import ServiceUnavailable
from roost.decisions.resources import LEASES
from roost.engine.lease import LeaderLease, LeadershipLost


async def lead(cluster: Cluster, identity: str, leading: list[str]) -> None:
    async def work() -> None:
        leading.append(identity)
        try:
            await asyncio.sleep(10_000)
        finally:
            leading.remove(identity)

    await LeaderLease(cluster, cluster.clock, identity, "manager").lead(work)


def test_one_leads_and_another_takes_over_when_it_is_gone() -> None:
    async def scenario() -> None:
        cluster, leading = Cluster(), list[str]()
        first = asyncio.create_task(lead(cluster, "a", leading))
        await asyncio.sleep(1)
        second = asyncio.create_task(lead(cluster, "b", leading))
        await asyncio.sleep(100)
        assert leading == ["a"]
        first.cancel()
        await asyncio.sleep(10)
        assert leading == []
        await asyncio.sleep(10)
        assert leading == ["b"]
        assert cluster.all(LEASES)[0]["spec"]["leaseTransitions"] == 1
        second.cancel()
        await asyncio.gather(first, second, return_exceptions=True)

    run(scenario())


def test_a_leader_that_cannot_renew_stops_before_another_may_start() -> None:
    async def scenario() -> None:
        cluster, leading = Cluster(), list[str]()
        task = asyncio.create_task(lead(cluster, "a", leading))
        await asyncio.sleep(5)
        cluster.before = refuse(ServiceUnavailable("down"), "get", "leases")
        await asyncio.sleep(14)
        assert leading == []
        with pytest.raises(LeadershipLost):
            await task

    run(scenario())
