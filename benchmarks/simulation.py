"""How fast a simulated cluster is, and how large; each measurement in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from benchmarks.api import Result, result

_TIMEOUT_S = 900
_IMAGE = "registry.k8s.io/pause:3.10"
_REPLICAS = 100

#: Each prints one JSON object. Imports are not part of what is measured.
_COMMON = f"""
import json, resource, sys, time
from roost.simulation import Cluster

def deployment(number, replicas):
    name = f"web-{{number}}"
    container = {{"name": "main", "image": "{_IMAGE}"}}
    container["resources"] = {{"requests": {{"cpu": "10m", "memory": "16Mi"}}}}
    template = {{"metadata": {{"labels": {{"app": name}}}}, "spec": {{"containers": [container]}}}}
    spec = {{"replicas": replicas, "selector": {{"matchLabels": {{"app": name}}}}}}
    spec["template"] = template
    meta = {{"name": name}}
    return {{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec}}

def ready(cluster):
    found = cluster.client.list("deployments")
    return sum((one.get("status") or {{}}).get("readyReplicas", 0) for one in found)

def rss_mb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

began = time.perf_counter()
"""
_UP = """
times = []
for turn in range(5):
    began = time.perf_counter()
    cluster = Cluster(nodes=3)
    times.append(1000 * (time.perf_counter() - began))
    cluster.close()
print(json.dumps({"value": sorted(times)[2], "first_ms": round(times[0], 1)}))
"""
_PODS = """
nodes, pods = {nodes}, {pods}
cluster = Cluster(nodes=nodes)
up_s = time.perf_counter() - began
cluster.apply([deployment(number, {replicas}) for number in range(pods // {replicas})])
cluster.run_until(lambda: ready(cluster) == pods)
found = dict(seconds=time.perf_counter() - began, mb=rss_mb(), up_s=round(up_s, 2))
print(json.dumps(found | dict(writes=len(cluster.log.splitlines()), virtual_s=cluster.now)))
"""
_DAY = """
cluster = Cluster(nodes=3)
cluster.apply(deployment(0, 3))
cluster.advance(7200)  # its Events have gone
began = time.perf_counter()
cluster.advance(86_400)
print(json.dumps({"value": time.perf_counter() - began, "leaps": cluster.loop.leaps}))
"""


def _measure(script: str) -> dict[str, Any]:
    """Run a script and return what it printed last."""
    run = subprocess.run(
        [sys.executable, "-c", _COMMON + script],
        capture_output=True, text=True, timeout=_TIMEOUT_S, check=False,
    )  # fmt: skip
    if run.returncode:
        raise RuntimeError(run.stderr.strip().splitlines()[-1])
    found: dict[str, Any] = json.loads(run.stdout.strip().splitlines()[-1])
    return found


def up() -> Iterator[Result]:
    found = _measure(_UP)
    yield result("sim_up_ms", found.pop("value"), "ms", nodes=3, **found)


def pods(name: str, nodes: int, count: int) -> Iterator[Result]:
    found = _measure(_PODS.format(nodes=nodes, pods=count, replicas=_REPLICAS))
    seconds, size_mb = found.pop("seconds"), found.pop("mb")
    detail = {"pods": count, "nodes": nodes, **found}
    yield result(f"sim_{name}_pods_s", seconds, "s", **detail)
    yield result(f"sim_{name}_pods_mb", size_mb, "MB", **detail)


def day() -> Iterator[Result]:
    found = _measure(_DAY)
    yield result("sim_day_s", found.pop("value"), "s", nodes=3, **found)


BENCHMARKS: dict[str, Callable[[], Iterator[Result]]] = {
    "sim_up_ms": up,
    "sim_1k_pods_s": partial(pods, "1k", 100, 1000),
    "sim_1k_pods_mb": partial(pods, "1k", 100, 1000),
    "sim_10k_pods_s": partial(pods, "10k", 1000, 10_000),
    "sim_10k_pods_mb": partial(pods, "10k", 1000, 10_000),
    "sim_day_s": day,
}
