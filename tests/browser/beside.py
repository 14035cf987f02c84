"""Run by run.mjs on Pyodide's own event loop: a cluster that lives beside what the page does."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import js
from pyodide.ffi import create_proxy

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
      containers:
      - name: web
        image: nginx
        readinessProbe: {httpGet: {path: /, port: 80}, initialDelaySeconds: 5}
"""


async def main() -> int:
    turns: dict[str, Any] = {"ticks": 0, "timers": 0}

    def count() -> None:
        turns["timers"] += 1

    counting = create_proxy(count)
    timer = js.setInterval(counting, 5)
    with Cluster(nodes=3) as cluster:
        cluster.speed = 20.0
        pace = asyncio.create_task(cluster.keep_pace())
        cluster.apply(DEPLOYMENT)
        while turns.get("ready") != 3 or cluster.now < 20:
            await asyncio.sleep(0.005)
            turns["ticks"] += 1
            status = cluster.client.get("deployment", "web").get("status", {})
            turns["ready"] = status.get("readyReplicas", 0)
        pace.cancel()
        turns["cancelled"] = isinstance(
            (await asyncio.gather(pace, return_exceptions=True))[0], asyncio.CancelledError
        )
        turns["now"] = cluster.now
    js.clearInterval(timer)
    counting.destroy()
    print(json.dumps(turns))
    return 0
