"""Random lives of a cluster, each from a seed: people who do what people do while things fail.

`run(seed)` makes a cluster, lets a user act at random times (workloads of every kind, scaling, rollouts,
deletions of each propagation, drains, quotas, namespaces, custom resources) beside a random plan of
faults, looks at the invariants after every write, then lets everything heal and looks whether desired
is actual. Rules: all chance comes from the seed; what the user does goes through the same commands as
everything else, so that a record of it can be replayed; what the server refuses is part of life.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from roost.api.errors import StatusError
from roost.api.values import Object
from roost.runtimes.behaviour import Behaviour
from roost.simulation.cluster import Cluster
from roost.simulation.faults import FaultPlan
from roost.simulation.invariants import Violated
from roost.simulation.kinds import UnknownKindError
from roost.simulation.seeds import derived
from roost.simulation.view import Violation

IMAGE: Final = "registry.k8s.io/pause:3.10"
_NAMESPACES: Final = ("default", "east", "west")
_PROPAGATIONS: Final = ("Background", "Foreground", "Orphan")
#: How long a cluster is left alone at the end: longer than any back-off and any grace.
REST_S: Final = 1800.0
_LINES: Final = 40


@dataclass(frozen=True, slots=True)
class Life:
    """What a scenario is made with."""

    seed: int
    nodes: int = 4
    actions: int = 30
    duration_s: float = 900.0
    faults: bool = True


def run(life: Life, told: Callable[[Cluster], object] | None = None) -> str:
    """Live a life, and return its log. Raises Violated. `told` gets the cluster at the end of it,
    however it ends."""
    with Cluster(nodes=life.nodes, seed=life.seed, check=True) as cluster:
        try:
            User(cluster, life).live()
        finally:
            if told is not None:
                told(cluster)
        return cluster.log


def restful(cluster: Cluster) -> None:
    """Raise Violated if a cluster that was left alone is not as it should be."""
    broken = cluster.settled()
    if broken:
        names = [Violation(*one.split(": ", 1)) for one in broken]
        raise Violated(cluster.seed, names, cluster.log.splitlines()[-_LINES:])


class User:
    """Somebody who uses a cluster, by chance."""

    def __init__(self, cluster: Cluster, life: Life) -> None:
        self._cluster = cluster
        self._life = life
        self._chance = random.Random(derived(life.seed, "user"))
        self._made = 0

    def live(self) -> None:
        """Do it all, and look at the end whether all is well."""
        cluster, chance, life = self._cluster, self._chance, self._life
        cluster.behave("crash", Behaviour(run_s=4.0, exit_code=1))
        cluster.behave("task", Behaviour(run_s=7.0, exit_code=0))
        cluster.behave("stubborn", Behaviour(stop_s=1e9))
        for name in _NAMESPACES[1:]:
            self._try(partial(self._namespace, name))
        if life.faults:
            nodes = list(cluster.nodes)
            cluster.inject(FaultPlan.drawn(life.seed, nodes, life.duration_s))
        ways, weights = zip(*_WAYS, strict=True)
        for _ in range(life.actions):
            way = chance.choices(ways, weights)[0]
            self._try(partial(way, self))
            cluster.advance(round(chance.expovariate(life.actions / life.duration_s), 3))
        cluster.end()
        for node in cluster.client.list("nodes"):
            self._try(partial(self._cordon, node, unschedulable=False))
        cluster.advance(REST_S)
        restful(cluster)

    def _try(self, action: Callable[[], object]) -> None:
        """Do something; a server that is down or refuses is a reason to go on."""
        with suppress(StatusError, OSError, UnknownKindError):
            action()

    # -- what a user does

    def _place(self) -> str:
        return self._chance.choice(_NAMESPACES)

    def _name(self, prefix: str) -> str:
        self._made += 1
        return f"{prefix}-{self._made}"

    def _pick(self, kind: str) -> Object | None:
        found = self._cluster.client.list(kind)
        found = [one for one in found if one["metadata"].get("namespace") in (None, *_NAMESPACES)]
        return self._chance.choice(found) if found else None

    def _namespace(self, name: str) -> None:
        self._cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})

    def _workload(self) -> None:
        chance = self._chance
        kind = chance.choice(("Deployment", "Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"))
        name = self._name(kind.lower()[:4])
        spec: Object = {
            "selector": {"matchLabels": {"app": name}},
            "template": self._template(name, chance.choice(("main", "main", "main", "crash"))),
        }
        if kind != "DaemonSet":
            spec["replicas"] = chance.randint(0, 6)
        if kind == "Deployment" and chance.random() < 0.3:
            spec["strategy"] = {"type": "Recreate"}
        if kind == "StatefulSet":
            spec["serviceName"] = name
            spec["podManagementPolicy"] = chance.choice(("OrderedReady", "Parallel"))
        place = self._place()
        self._apply("apps/v1", kind, name, place, spec)
        if chance.random() < 0.5:
            self._service(name, place)
        if chance.random() < 0.4:
            self._budget(name, place)

    def _template(self, name: str, container: str, restart: str = "Always") -> Object:
        chance = self._chance
        asked = {"cpu": f"{chance.choice((50, 100, 500, 1500))}m", "memory": "64Mi"}
        one: Object = {"name": container, "image": IMAGE, "resources": {"requests": asked}}
        spec: Object = {"containers": [one], "restartPolicy": restart}
        if chance.random() < 0.3:
            spec["terminationGracePeriodSeconds"] = chance.choice((1, 5, 60))
        if chance.random() < 0.2:
            spec["initContainers"] = [{"name": "task", "image": IMAGE}]
        if chance.random() < 0.2:
            spec["containers"].append({"name": "stubborn", "image": IMAGE})
        return {"metadata": {"labels": {"app": name}}, "spec": spec}

    def _apply(self, version: str, kind: str, name: str, place: str, spec: Object) -> None:
        metadata = {"name": name, "namespace": place}
        self._cluster.apply(
            {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec}
        )

    def _service(self, name: str, place: str) -> None:
        kind = self._chance.choice(("ClusterIP", "NodePort"))
        spec = {"selector": {"app": name}, "ports": [{"port": 80}], "type": kind}
        self._apply("v1", "Service", name, place, spec)

    def _budget(self, name: str, place: str) -> None:
        bound = self._chance.choice(
            ({"minAvailable": 1}, {"maxUnavailable": 1}, {"minAvailable": "50%"})
        )
        spec = {"selector": {"matchLabels": {"app": name}}, **bound}
        self._apply("policy/v1", "PodDisruptionBudget", name, place, spec)

    def _job(self) -> None:
        chance, name = self._chance, self._name("job")
        container = chance.choice(("task", "task", "crash"))
        template = self._template(name, container, chance.choice(("Never", "OnFailure")))
        template["spec"].pop("initContainers", None)
        template["spec"]["containers"] = template["spec"]["containers"][:1]
        spec: Object = {
            "template": template, "completions": chance.randint(1, 5),
            "parallelism": chance.randint(1, 3), "backoffLimit": chance.randint(0, 3),
        }  # fmt: skip
        if chance.random() < 0.3:
            spec["ttlSecondsAfterFinished"] = chance.randint(0, 100)
        if chance.random() < 0.3:
            spec["completionMode"] = "Indexed"
        if chance.random() < 0.3:
            minutes = f"*/{chance.randint(1, 5)} * * * *"
            policy = chance.choice(("Allow", "Forbid", "Replace"))
            rest = {"jobTemplate": {"spec": spec}, "concurrencyPolicy": policy}
            self._apply("batch/v1", "CronJob", name, self._place(), {"schedule": minutes, **rest})
        else:
            self._apply("batch/v1", "Job", name, self._place(), spec)

    def _pod(self) -> None:
        template = self._template(self._name("pod"), self._chance.choice(("main", "task", "crash")))
        template["spec"]["restartPolicy"] = self._chance.choice(("Always", "Never", "OnFailure"))
        name = template["metadata"]["labels"]["app"]
        self._apply("v1", "Pod", name, self._place(), template["spec"])

    def _scale(self) -> None:
        kind = self._chance.choice(("deployments", "statefulsets", "replicasets"))
        found = self._pick(kind)
        if found is not None:
            self._patch(kind, found, {"spec": {"replicas": self._chance.randint(0, 7)}})

    def _patch(self, kind: str, obj: Object, body: Object) -> None:
        metadata = obj["metadata"]
        self._cluster.client.patch(kind, metadata["name"], body, metadata.get("namespace", ""))

    def _rollout(self) -> None:
        kind = self._chance.choice(("deployments", "statefulsets", "daemonsets"))
        found = self._pick(kind)
        if found is None:
            return
        note = {"annotations": {"turn": str(self._chance.randint(0, 3))}}
        body: Object = {"spec": {"template": {"metadata": note}}}
        if self._chance.random() < 0.2:
            one = {"name": "main", "image": self._chance.choice((IMAGE, "nowhere/none:1"))}
            body["spec"]["template"]["spec"] = {"containers": [one]}
        if kind == "deployments" and self._chance.random() < 0.2:
            body["spec"]["paused"] = self._chance.random() < 0.5
        self._patch(kind, found, body)

    def _delete(self) -> None:
        kind = self._chance.choice(
            ("deployments", "replicasets", "statefulsets", "daemonsets", "jobs", "cronjobs",
             "pods", "pods", "services", "pdb", "configmaps", "widgets"),
        )  # fmt: skip
        found = self._pick(kind)
        if found is not None:
            metadata = found["metadata"]
            self._cluster.client.delete(
                kind, metadata["name"], metadata["namespace"],
                propagation=self._chance.choice(_PROPAGATIONS),
            )  # fmt: skip

    def _relabel(self) -> None:
        found = self._pick("pods")
        if found is not None:
            label = self._chance.choice((None, "stray"))
            self._patch("pods", found, {"metadata": {"labels": {"app": label}}})

    def _cordon(self, node: Object, *, unschedulable: bool) -> None:
        self._patch("nodes", node, {"spec": {"unschedulable": unschedulable}})

    def _drain(self) -> None:
        node = self._pick("nodes")
        if node is None:
            return
        self._cordon(node, unschedulable=self._chance.random() < 0.8)
        name = node["metadata"]["name"]
        for pod in self._cluster.client.list("pods", fields=f"spec.nodeName={name}"):
            owners = pod["metadata"].get("ownerReferences") or [{}]
            if owners[0].get("kind") != "DaemonSet":
                self._try(partial(self._evict, pod))

    def _evict(self, pod: Object) -> None:
        metadata = {key: pod["metadata"][key] for key in ("name", "namespace")}
        body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata}
        self._cluster.client.create(
            "pods", body, metadata["namespace"], name=metadata["name"], subresource="eviction"
        )

    def _uncordon(self) -> None:
        node = self._pick("nodes")
        if node is not None:
            self._cordon(node, unschedulable=False)

    def _quota(self) -> None:
        hard = {"pods": str(self._chance.randint(2, 20)), "services": "5", "configmaps": "10"}
        self._apply("v1", "ResourceQuota", "limits", self._place(), {"hard": hard})

    def _end_namespace(self) -> None:
        name = self._chance.choice(_NAMESPACES[1:])
        self._cluster.client.delete("namespaces", name)

    def _begin_namespace(self) -> None:
        self._namespace(self._chance.choice(_NAMESPACES[1:]))

    def _custom(self) -> None:
        """Make a custom resource that owns something."""
        cluster, place = self._cluster, self._place()
        cluster.apply(_WIDGETS)
        cluster.advance(0.1)
        name = self._name("widget")
        (widget,) = cluster.apply(
            {"apiVersion": "sim.example.com/v1", "kind": "Widget",
             "metadata": {"name": name, "namespace": place}, "spec": {"size": 1}},
        )  # fmt: skip
        owner = {
            "apiVersion": "sim.example.com/v1", "kind": "Widget", "name": name,
            "uid": widget["metadata"]["uid"],
            "blockOwnerDeletion": self._chance.random() < 0.5,
        }  # fmt: skip
        metadata = {"name": name, "namespace": place, "ownerReferences": [owner]}
        cluster.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})

    def _end_custom(self) -> None:
        self._cluster.client.delete("customresourcedefinitions", "widgets.sim.example.com")

    def _nodes(self) -> None:
        cluster = self._cluster
        if len(cluster.nodes) > 5 and self._chance.random() < 0.7:
            extra = [name for name in cluster.nodes if name.startswith("extra")]
            if extra:
                cluster.remove_node(self._chance.choice(extra))
        else:
            cluster.add_node(self._name("extra"), cpu="2")


_WIDGETS: Final[dict[str, Any]] = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "widgets.sim.example.com"},
    "spec": {
        "group": "sim.example.com",
        "scope": "Namespaced",
        "names": {"plural": "widgets", "kind": "Widget", "singular": "widget"},
        "versions": [
            {
                "name": "v1", "served": True, "storage": True,
                "schema": {"openAPIV3Schema": {
                    "type": "object", "x-kubernetes-preserve-unknown-fields": True,
                }},
            }
        ],
    },
}  # fmt: skip

#: What a user does, and how often.
_WAYS: Final[tuple[tuple[Callable[[User], None], int], ...]] = (
    (User._workload, 9), (User._job, 4), (User._pod, 3), (User._scale, 6), (User._rollout, 6),
    (User._delete, 6), (User._relabel, 2), (User._drain, 3), (User._uncordon, 2), (User._quota, 2),
    (User._end_namespace, 1), (User._begin_namespace, 2), (User._custom, 2), (User._end_custom, 1),
    (User._nodes, 2),
)  # fmt: skip
