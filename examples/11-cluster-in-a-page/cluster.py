"""Runs in the page: a cluster whose time passes beside the page, and what is seen of it."""

import asyncio

from js import document
from pyodide.ffi.wrappers import add_event_listener

from roost.api.values import Object
from roost.simulation import Cluster

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: %s
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: web
        image: nginx
        readinessProbe: {httpGet: {path: /, port: 80}, initialDelaySeconds: 5}
"""


def is_ready(pod: Object) -> bool:
    conditions = pod["status"].get("conditions", [])
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def show(cluster: Cluster) -> None:
    rows = document.getElementById("pods")
    rows.replaceChildren()
    for pod in cluster.client.list("pods", "default"):
        row = document.createElement("tr")
        phase = pod["status"]["phase"]
        row.className = phase
        ready = "ready" if is_ready(pod) else "not ready"
        for text in (pod["metadata"]["name"], pod["spec"].get("nodeName", ""), phase, ready):
            row.insertCell().textContent = text
        rows.append(row)
    state = f"{len(cluster.nodes)} nodes, {cluster.now:.1f} seconds old"
    document.getElementById("state").textContent = state


async def main() -> None:
    replicas, speed = (document.getElementById(name) for name in ("replicas", "speed"))
    with Cluster(nodes=3) as cluster:

        def scale(_event: object = None) -> None:
            cluster.apply(DEPLOYMENT % (replicas.value or 0))

        def hurry(_event: object = None) -> None:
            cluster.speed = float(speed.value or 1)

        add_event_listener(replicas, "change", scale)
        add_event_listener(speed, "change", hurry)
        hurry()
        scale()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(cluster.keep_pace())
            while True:
                show(cluster)
                await asyncio.sleep(0.1)


await main()  # noqa: F704, PLE1142 - in a page, the top of a program may await
