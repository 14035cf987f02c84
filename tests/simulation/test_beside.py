"""A cluster that lives beside the other tasks of somebody's event loop, as in a page or a notebook."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from roost.api.errors import NotFound
from roost.simulation import Cluster

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers: [{name: web, image: nginx}]
"""


def slowly(cluster: Cluster, seconds: float) -> asyncio.Task[None]:
    """Keep pace on a machine that needs 5 ms for whatever happens: slices are short."""
    cluster.speed = None
    clock = itertools.count(step=0.005)
    return asyncio.create_task(cluster.pace.keep(seconds, clock=lambda: next(clock)))


def ready(cluster: Cluster) -> int:
    return cluster.client.get("deployment", "web")["status"].get("readyReplicas", 0)


def test_others_go_on_while_time_passes():
    async def main() -> None:
        with Cluster(nodes=3) as cluster:
            pace = slowly(cluster, 60)
            cluster.apply(DEPLOYMENT)
            seen = [(cluster.now, ready(cluster))]
            while not pace.done():
                await asyncio.sleep(0)
                seen.append((cluster.now, ready(cluster)))
            await pace
            assert cluster.now == 60
            assert len({now for now, _ in seen}) > 3
            assert seen[0][1] == 0
            assert seen[-1][1] == 3

    asyncio.run(main())


def test_commands_between_two_slices_are_played_again_as_they_were():
    async def main() -> None:
        with Cluster(nodes=2, seed=3) as cluster:
            pace = slowly(cluster, 90)
            await asyncio.sleep(0)
            cluster.apply(DEPLOYMENT)
            for _ in range(3):
                await asyncio.sleep(0)
            cluster.stop_node("node-1")
            with pytest.raises(NotFound):
                cluster.client.get("deployment", "other")
            await pace
            log = cluster.log
            commands = [line.partition(" # ")[2] for line in log.splitlines() if " # " in line]
            assert [command.split()[0] for command in commands] == ["apply", "stop"]
            with Cluster.replay(cluster.record) as again:
                assert again.log == log

    asyncio.run(main())


def test_a_fault_of_the_cluster_is_told_to_who_keeps_the_pace():
    async def main() -> None:
        with Cluster(nodes=1, check=True) as cluster:
            cluster.speed = None
            cluster.checker.check = broken  # type: ignore[union-attr,method-assign]
            with pytest.raises(ZeroDivisionError):
                await cluster.keep_pace(10)

    def broken() -> None:
        raise ZeroDivisionError

    asyncio.run(main())
