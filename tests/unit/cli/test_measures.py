"""What controllers and scheduler count is shown under the names that dashboards know."""

from __future__ import annotations

import asyncio

from fakes.apiserver import running
from fakes.cluster import Cluster, NoChance
from fakes.objects import node, pod
from fakes.timeless import run
from roost.cli.measures import show_controllers, show_scheduler
from roost.controllers.registry import Setup, controllers
from roost.decisions.resources import NODES, PODS
from roost.engine.engine import Engine
from roost.engine.scheduling import Scheduling


def test_controllers_and_scheduler_show_what_a_dashboard_asks_for() -> None:
    async def scene() -> str:
        cluster = Cluster()
        cluster.add(NODES, node("a", cpu="1"))
        names = ["replicaset-controller"]
        engine = Engine(cluster, cluster.clock, NoChance(), controllers(names, Setup()))
        scheduling = Scheduling(cluster, cluster.clock, NoChance())
        async with running() as api:
            show_controllers(api, engine)
            show_scheduler(api, scheduling)
            tasks = [asyncio.create_task(each.run()) for each in (engine, scheduling)]
            cluster.add(PODS, pod("fits", cpu="1"))
            cluster.add(PODS, pod("does-not", cpu="2"))
            await asyncio.sleep(5)
            text = (await api.metrics.text()).decode()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return text

    text = run(scene())
    for line in (
        'workqueue_depth{name="replicaset-controller"} 0',
        "# TYPE workqueue_queue_duration_seconds histogram",
        'workqueue_longest_running_processor_seconds{name="replicaset-controller"} 0',
        'scheduler_schedule_attempts_total{profile="default-scheduler",result="scheduled"} 1',
        'scheduler_schedule_attempts_total{profile="default-scheduler",result="unschedulable"} 1',
        'scheduler_pod_scheduling_sli_duration_seconds_count{attempts="1"} 1',
        'scheduler_pending_pods{queue="unschedulable"} 1',
        'scheduler_unschedulable_pods{plugin="NodeResourcesFit",profile="default-scheduler"} 1',
        'scheduler_cache_size{type="nodes"} 1',
        "scheduler_preemption_attempts_total 1",
    ):
        assert f"\n{line}\n" in text, line
