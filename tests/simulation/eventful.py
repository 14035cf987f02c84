"""A scenario with rollouts, crashes, lost nodes and crashed parts; prints the log of it.

Run by test_determinism.py in processes of its own.
"""

from __future__ import annotations

import sys
from typing import Any

from roost.simulation import Behaviour, Cluster

IMAGE = "registry.k8s.io/pause:3.10"


def workload(kind: str, name: str, **spec: Any) -> dict[str, Any]:
    template = {
        "metadata": {"labels": {"app": name}},
        "spec": {"containers": [{"name": name, "image": IMAGE}]},
    }
    labels = {"matchLabels": {"app": name}}
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": {"selector": labels, "template": template, **spec},
    }


def play(seed: int) -> str:
    with Cluster(nodes=4, seed=seed) as cluster:
        cluster.apply(
            [
                workload("Deployment", "web", replicas=6),
                workload("StatefulSet", "db", replicas=3, serviceName="db"),
                workload("DaemonSet", "log"),
                workload("Deployment", "loop", replicas=2),
            ]
        )
        service = {"selector": {"app": "web"}, "ports": [{"port": 80}]}
        cluster.apply(
            {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": service}
        )
        cluster.behave("loop", Behaviour(run_s=3.0, exit_code=2, output=("one", "two")))
        cluster.advance(60)
        env = [{"name": "A", "value": "2"}]
        changed = workload("Deployment", "web", replicas=8)
        changed["spec"]["template"]["spec"]["containers"][0]["env"] = env
        cluster.apply(changed)
        cluster.advance(0.02)
        cluster.stop_node("node-3")
        cluster.crash("scheduler")
        cluster.advance(30)
        cluster.crash("node/node-1")
        cluster.restart("scheduler")
        cluster.advance(400)
        cluster.crash("server")
        cluster.advance(10)
        cluster.restart("server")
        cluster.restart("node/node-1")
        cluster.crash("controllers")
        cluster.start_node("node-3")
        cluster.partition("node-2")
        cluster.advance(100)
        cluster.restart("controllers")
        cluster.heal("node-2")
        cluster.client.delete("sts", "db", propagation="Foreground")
        cluster.advance(900)
        pods = cluster.client.list("pods")
        logs = cluster.logs(next(p["metadata"]["name"] for p in pods if "loop" in str(p)))
        return cluster.log + logs + repr(pods) + repr(cluster.events())


if __name__ == "__main__":
    sys.stdout.write(play(int(sys.argv[1])))
