"""How fast the scheduler decides: pods of a Deployment over nodes, nothing else in the process."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from benchmarks.api import Result, result
from benchmarks.server import running
from roost.scheduler.decide import Bind, Scheduler

_ZONES = 3


def _node(number: int) -> dict[str, Any]:
    sizes = {"cpu": "32", "memory": "128Gi", "ephemeral-storage": "100Gi", "pods": "250"}
    labels = {
        "kubernetes.io/hostname": f"n{number}",
        "topology.kubernetes.io/zone": f"z{number % _ZONES}",
    }
    return {
        "metadata": {"name": f"n{number}", "uid": f"n{number}", "labels": labels},
        "spec": {},
        "status": {"capacity": sizes, "allocatable": sizes, "conditions": []},
    }


def _pod(number: int) -> dict[str, Any]:
    owner = {"kind": "ReplicaSet", "name": "web", "uid": "rs", "controller": True}
    container = {
        "name": "main",
        "image": "web:1",
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}},
    }
    return {
        "metadata": {
            "name": f"web-{number}", "namespace": "default", "uid": f"p{number}",
            "labels": {"app": "web"}, "ownerReferences": [owner],
        },
        "spec": {"containers": [container], "schedulerName": "default-scheduler"},
        "status": {"phase": "Pending"},
    }  # fmt: skip


def _decisions(nodes: int, pods: int) -> float:
    """Return decisions a second, each counted on its node before the next one."""
    scheduler = Scheduler()
    for number in range(nodes):
        scheduler.snapshot.set_node(_node(number))
    scheduler.selectors.set_owner("rs", {"matchLabels": {"app": "web"}})
    made = [_pod(number) for number in range(pods)]
    started = time.perf_counter()
    for number, pod in enumerate(made):
        info = scheduler.shapes.info(pod)
        decision = scheduler.schedule(info, (number * 0.618) % 1)
        if not isinstance(decision, Bind):
            raise TypeError(f"a pod found no node: {decision}")
        scheduler.snapshot.add_pod(info, decision.node)
    return pods / (time.perf_counter() - started)


def _scheduling(nodes: int, pods: int) -> Callable[[], Iterator[Result]]:
    def measure() -> Iterator[Result]:
        runs = sorted(_decisions(nodes, pods) for _ in range(3))
        yield result(
            f"sched_{nodes}_per_s", runs[1], "1/s", nodes=nodes, pods=pods,
            runs=[round(run) for run in runs],
        )  # fmt: skip

    return measure


def binding() -> Iterator[Result]:
    """A whole control plane, durable, with 100 nodes: from a Deployment to pods that have a node."""
    with running("*") as server:
        server.load("nodes", 100)
        for name in ("one", "many"):
            server.namespace(name)
        server.load("bind", "one", "warm", 3)
        times = sorted(server.load("bind", "one", f"d{n}", 1)["seconds"] for n in range(21))
        yield result("deploy_to_bound_ms", 1000 * times[10], "ms", worst_ms=round(1000 * times[-1]))
        found = server.load("bind", "many", "d", 1000)
        yield result("bind_1k_s", found["seconds"], "s", replicas=1000, nodes=100)


BENCHMARKS: dict[str, Callable[[], Iterator[Result]]] = {
    "bind_1k_s": binding,
    "deploy_to_bound_ms": binding,
    "sched_100_per_s": _scheduling(100, 5000),
    "sched_5000_per_s": _scheduling(5000, 2000),
}
