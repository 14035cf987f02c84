"""Where pods go, and why they wait: selectors, affinity, taints, resources, budgets, quotas, limits."""

from __future__ import annotations

import pytest

from parity.manifests import config, deployment, pod
from parity.target import Object, Target, condition, conditions
from roost.api.errors import Forbidden, StatusError, TooManyRequests
from roost.client.port import PatchType

HOST = "kubernetes.io/hostname"


def unschedulable(target: Target, name: str = "a") -> str:
    """Wait until a pod is found to fit nowhere; return why."""
    target.wait(
        lambda: (
            conditions(target.get("pods", name)).get("PodScheduled", {}).get("reason")
            == "Unschedulable"
        )
    )
    message = conditions(target.get("pods", name))["PodScheduled"]["message"]
    event = target.told(name, "FailedScheduling")
    assert event["type"] == "Warning"
    assert target.get("pods", name)["status"]["phase"] == "Pending"
    return str(message)


def nodes(target: Target) -> int:
    return len(target.list("nodes"))


def needs(key: str, operator: str, *values: str) -> Object:
    term = {"key": key, "operator": operator, **({"values": list(values)} if values else {})}
    return {
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [{"matchExpressions": [term]}]
            }
        }
    }


def near(kind: str, app: str, key: str = HOST) -> Object:
    term = {"labelSelector": {"matchLabels": {"app": app}}, "topologyKey": key}
    return {kind: {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}


NOWHERE = {
    "selector": (
        {"nodeSelector": {"no": "where"}},
        "0/{n} nodes are available: {n} node(s) didn't match Pod's node affinity/selector.",
    ),
    "affinity": (
        {"affinity": needs("no", "In", "where")},
        "0/{n} nodes are available: {n} node(s) didn't match Pod's node affinity/selector.",
    ),
    "cpu": (
        {"container": {"resources": {"requests": {"cpu": "1000"}}}},
        "0/{n} nodes are available: {n} Insufficient cpu.",
    ),
    "memory": (
        {"container": {"resources": {"requests": {"memory": "100Ti"}}}},
        "0/{n} nodes are available: {n} Insufficient memory.",
    ),
    "extended": (
        {"container": {"resources": {"limits": {"example.com/gpu": "1"}}}},
        "0/{n} nodes are available: {n} Insufficient example.com/gpu.",
    ),
    "pod-affinity": (
        {"affinity": near("podAffinity", "nobody")},
        "0/{n} nodes are available: {n} node(s) didn't match pod affinity rules.",
    ),
}


@pytest.mark.parametrize("case", NOWHERE)
def test_a_pod_that_fits_nowhere_says_why(target: Target, case):
    spec, words = NOWHERE[case]
    target.create(pod("a", **spec))
    assert unschedulable(target).startswith(words.format(n=nodes(target)))


def test_a_pod_waits_until_it_fits(target: Target):
    from roost.decisions.resources import NODES

    target.create(pod("a", nodeSelector={f"example.com/{target.namespace}": "x"}))
    unschedulable(target)
    node = target.list("nodes")[0]["metadata"]["name"]
    label = {"metadata": {"labels": {f"example.com/{target.namespace}": "x"}}}
    target.run(target.client.patch(NODES, node, label))
    target.ready("a")
    gone = {"metadata": {"labels": {f"example.com/{target.namespace}": None}}}
    target.run(target.client.patch(NODES, node, gone))
    assert target.get("pods", "a")["spec"]["nodeName"] == node
    assert condition(target.get("pods", "a"), "Ready") == "True"


@pytest.mark.parametrize(
    "affinity",
    [
        needs("kubernetes.io/os", "In", "linux"), needs("kubernetes.io/os", "NotIn", "windows"),
        needs("kubernetes.io/os", "Exists"), needs("no", "DoesNotExist"),
    ],
    ids=["In", "NotIn", "Exists", "DoesNotExist"],
)  # fmt: skip
def test_node_affinity(target: Target, affinity):
    target.create(pod("a", affinity=affinity))
    target.wait(lambda: target.get("pods", "a")["spec"].get("nodeName"))


def test_pods_that_avoid_each_other(target: Target):
    count = nodes(target)
    body = {"affinity": near("podAntiAffinity", "web")}
    for number in range(count + 1):
        target.create(pod(f"p{number}", labels={"app": "web"}, **body))
    target.wait(lambda: len([p for p in target.pods() if p["spec"].get("nodeName")]) == count)
    [left] = [p["metadata"]["name"] for p in target.pods() if not p["spec"].get("nodeName")]
    words = f"0/{count} nodes are available: {count} node(s) didn't match pod anti-affinity rules."
    assert unschedulable(target, left).startswith(words)
    assert len({p["spec"].get("nodeName") for p in target.pods()}) == count + 1


def test_a_pod_goes_where_its_friend_is(target: Target):
    target.create(pod("friend"))
    target.wait(lambda: target.get("pods", "friend")["spec"].get("nodeName"))
    target.create(pod("a", affinity=near("podAffinity", "friend")))
    target.wait(lambda: target.get("pods", "a")["spec"].get("nodeName"))
    nodes_ = {target.get("pods", name)["spec"]["nodeName"] for name in ("a", "friend")}
    assert len(nodes_) == 1


def test_pods_are_spread(target: Target):
    target.needs("many-nodes")
    constraint = {"maxSkew": 1, "topologyKey": HOST, "whenUnsatisfiable": "DoNotSchedule",
                  "labelSelector": {"matchLabels": {"app": "web"}}}  # fmt: skip
    count = nodes(target)
    target.create(deployment("web", count, pods={"topologySpreadConstraints": [constraint]}))
    target.wait(lambda: len([p for p in target.pods() if p["spec"].get("nodeName")]) == count)
    assert len({p["spec"]["nodeName"] for p in target.pods()}) == count


def test_a_spread_over_what_no_node_has(target: Target):
    constraint = {"maxSkew": 1, "topologyKey": "example.com/none", "whenUnsatisfiable": "DoNotSchedule",
                  "labelSelector": {"matchLabels": {"app": "a"}}}  # fmt: skip
    target.create(pod("a", topologySpreadConstraints=[constraint]))
    assert "didn't match pod topology spread constraints (missing required label)" in unschedulable(
        target
    )


def test_cordon_and_taints(target: Target):
    target.needs("new-nodes")
    from roost.decisions.resources import NODES

    names = target.names("nodes")
    for name in names:
        target.run(target.client.patch(NODES, name, {"spec": {"unschedulable": True}}))
    target.create(pod("a"))
    assert f"{len(names)} node(s) were unschedulable" in unschedulable(target)
    taint = {"key": "example.com/t", "value": "v", "effect": "NoSchedule"}
    for name in names:
        change = {"spec": {"unschedulable": None, "taints": [taint]}}
        target.run(target.client.patch(NODES, name, change))
    target.create(pod("b"))
    assert "had untolerated taint" in unschedulable(target, "b")
    target.create(pod("c", tolerations=[{"key": "example.com/t", "operator": "Exists"}]))
    target.ready("c")


def test_a_taint_evicts(target: Target):
    target.needs("new-nodes")
    from roost.decisions.resources import NODES

    target.start(pod("a"), pod("b", tolerations=[{"operator": "Exists"}]))
    for name in target.names("nodes"):
        taint = {"key": "example.com/t", "effect": "NoExecute"}
        target.run(target.client.patch(NODES, name, {"spec": {"taints": [taint]}}))
    target.gone("pods", "a")
    assert condition(target.get("pods", "b"), "Ready") == "True"


def test_a_silent_node_is_given_up(target: Target):
    target.needs("new-nodes")
    target.create(deployment("web", 1))
    target.wait(lambda: target.get("deployments", "web").get("status", {}).get("readyReplicas"))
    [one] = target.pods()
    node = one["spec"]["nodeName"]
    target.cluster.stop_node(node)  # type: ignore[attr-defined]  # the simulator's own
    began = target.now()
    target.wait(lambda: condition(target.get("nodes", node), "Ready") == "Unknown", 100)
    assert 30 <= target.now() - began <= 60
    target.wait(lambda: any(p["spec"].get("nodeName") != node for p in target.pods()), 500)
    assert 330 <= target.now() - began <= 370


def test_a_pod_with_a_node_needs_no_scheduler(target: Target):
    node = target.names("nodes")[0]
    target.start(pod("a", nodeName=node))
    assert "Scheduled" not in target.reasons("a")


def test_scheduling_gates(target: Target):
    target.create(pod("a", schedulingGates=[{"name": "example.com/wait"}]))
    target.wait(
        lambda: (
            conditions(target.get("pods", "a")).get("PodScheduled", {}).get("reason")
            == "SchedulingGated"
        )
    )
    target.never(lambda: target.get("pods", "a")["spec"].get("nodeName"), 1)
    target.patch("pods", "a", {"spec": {"schedulingGates": None}}, type=PatchType.MERGE)
    target.ready("a")


def test_a_scheduler_that_nobody_runs(target: Target):
    target.create(pod("a", schedulerName="somebody-else"))
    target.never(lambda: target.get("pods", "a")["spec"].get("nodeName"), 1)
    assert target.events("a") == []


# -- priority


def priority(name: str, value: int) -> Object:
    return {
        "apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass",
        "metadata": {"name": name}, "value": value,
    }  # fmt: skip


def test_a_priority_class(target: Target):
    name = f"high-{target.namespace}"
    target.create(priority(name, 1000))
    made = target.create(pod("a", priorityClassName=name, nodeSelector={"no": "x"}))
    assert made["spec"]["priority"] == 1000
    with pytest.raises(Forbidden) as refused:
        target.create(pod("b", priorityClassName="none"))
    assert "no PriorityClass with name none was found" in str(refused.value)


def test_a_more_important_pod_takes_the_place(target: Target):
    target.needs("new-nodes")
    target.create(priority("high", 1000))
    big = {"resources": {"requests": {"cpu": "3"}}}
    total = sum(
        int(str(n["status"]["allocatable"]["cpu"]).removesuffix("m")) for n in target.list("nodes")
    )
    assert total
    count = 0
    while True:
        name = f"low{count}"
        target.create(pod(name, container=big))
        target.wait(lambda name=name: conditions(target.get("pods", name)).get("PodScheduled"))
        if condition(target.get("pods", name), "PodScheduled") == "False":
            break
        count += 1
    target.create(pod("vip", container=big, priorityClassName="high"))
    target.ready("vip")
    assert len([p for p in target.pods() if p["spec"].get("nodeName")]) == count


# -- eviction and budgets


def budget(name: str, app: str, **spec: object) -> Object:
    return {
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": name},
        "spec": {"selector": {"matchLabels": {"app": app}}, **spec},
    }  # fmt: skip


def evict(target: Target, name: str) -> None:
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
    target.post("pods", name, "eviction", body)


def test_eviction(target: Target):
    target.start(pod("a"))
    evict(target, "a")
    target.gone("pods", "a")


def test_a_budget_refuses_an_eviction(target: Target):
    target.create(budget("b", "web", minAvailable=1))
    target.create(deployment("web", 1))
    target.wait(lambda: target.get("deployments", "web").get("status", {}).get("readyReplicas"))
    target.wait(
        lambda: target.get("poddisruptionbudgets", "b").get("status", {}).get("currentHealthy") == 1
    )
    [one] = target.pods()
    with pytest.raises(TooManyRequests) as refused:
        evict(target, one["metadata"]["name"])
    assert str(refused.value) == "Cannot evict pod as it would violate the pod's disruption budget."
    cause = refused.value.details["causes"][0]
    assert cause["message"] == "The disruption budget b needs 1 healthy pods and has 1 currently"
    status = target.get("poddisruptionbudgets", "b")["status"]
    assert (status["disruptionsAllowed"], status["expectedPods"]) == (0, 1)


def test_a_budget_allows_what_it_allows(target: Target):
    target.create(budget("b", "web", maxUnavailable=1))
    target.create(deployment("web", 2))
    target.wait(
        lambda: (
            target.get("poddisruptionbudgets", "b").get("status", {}).get("disruptionsAllowed") == 1
        )
    )
    evict(target, target.pods()[0]["metadata"]["name"])
    target.wait(
        lambda: (
            target.get("deployments", "web")["status"].get("readyReplicas") == 2
            and len(target.pods()) == 2
        )
    )


# -- quotas and limits


def quota(hard: Object, **spec: object) -> Object:
    return {
        "apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q"},
        "spec": {"hard": hard, **spec},
    }  # fmt: skip


def counted(target: Target, key: str) -> None:
    target.wait(lambda: key in target.get("resourcequotas", "q").get("status", {}).get("used", {}))


def test_a_quota_counts_objects(target: Target):
    target.wait(lambda: target.find("configmaps", "kube-root-ca.crt"))
    target.create(quota({"count/configmaps": "2"}))
    counted(target, "count/configmaps")
    target.create(config("a"))
    with pytest.raises(Forbidden) as refused:
        target.create(config("b"))
    assert str(refused.value) == (
        'configmaps "b" is forbidden: exceeded quota: q, requested: count/configmaps=1, '
        "used: count/configmaps=2, limited: count/configmaps=2"
    )
    target.delete("configmaps", "a")
    target.wait(
        lambda: target.get("resourcequotas", "q")["status"]["used"]["count/configmaps"] == "1"
    )
    target.create(config("b"))


def test_a_quota_of_cpu_wants_requests(target: Target):
    target.create(quota({"requests.cpu": "1"}))
    counted(target, "requests.cpu")
    with pytest.raises(Forbidden) as refused:
        target.create(pod("a"))
    assert "failed quota: q: must specify requests.cpu for: main" in str(refused.value)
    fits = {"resources": {"requests": {"cpu": "600m"}}}
    target.create(pod("a", container=fits, nodeSelector={"no": "x"}))
    with pytest.raises(Forbidden) as refused:
        target.create(pod("b", container=fits))
    assert "requested: requests.cpu=600m, used: requests.cpu=600m, limited: requests.cpu=1" in str(
        refused.value
    )


def test_a_quota_stops_a_deployment(target: Target):
    target.create(quota({"pods": "1"}))
    counted(target, "pods")
    target.create(deployment("web", 2, pods={"nodeSelector": {"no": "x"}}))
    target.wait(lambda: len(target.pods()) == 1)
    [owner] = target.list("replicasets")
    failed = target.wait(lambda: conditions(target.list("replicasets")[0]).get("ReplicaFailure"))
    assert "exceeded quota: q" in failed["message"]
    target.told(owner["metadata"]["name"], "FailedCreate")


def limits(**item: object) -> Object:
    return {
        "apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "l"},
        "spec": {"limits": [{"type": "Container", **item}]},
    }  # fmt: skip


def test_a_limit_range_fills_in(target: Target):
    target.create(limits(default={"cpu": "200m"}, defaultRequest={"cpu": "100m"}))

    def made() -> Object:
        target.create(pod("a", nodeSelector={"no": "x"}))
        found = target.get("pods", "a")["spec"]["containers"][0]["resources"]
        if not found:
            target.delete("pods", "a", grace_s=0)
        return found

    found = target.wait(made, 10)
    assert found == {"limits": {"cpu": "200m"}, "requests": {"cpu": "100m"}}


def test_a_limit_range_refuses(target: Target):
    target.create(limits(max={"memory": "64Mi"}, min={"memory": "16Mi"}))

    def refused(memory: str) -> str:
        body = pod(
            "a", container={"resources": {"limits": {"memory": memory}}}, nodeSelector={"no": "x"}
        )
        try:
            target.create(body)
        except StatusError as error:
            return str(error)
        target.delete("pods", "a", grace_s=0)
        return ""

    said = target.wait(lambda: refused("128Mi"), 10)
    assert "maximum memory usage per Container is 64Mi, but limit is 128Mi" in said
    assert "minimum memory usage per Container is 16Mi, but request is 8Mi" in refused("8Mi")
    assert refused("32Mi") == ""


def test_an_autoscaler_without_metrics_says_so(target: Target):
    target.create(deployment("web", 1, pods={"nodeSelector": {"no": "x"}}))
    target.create(
        {
            "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": "web"},
            "spec": {
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
                "minReplicas": 2, "maxReplicas": 3,
                "metrics": [{"type": "Resource", "resource": {
                    "name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}}],
            },
        }
    )  # fmt: skip
    target.wait(lambda: target.get("deployments", "web")["spec"]["replicas"] == 2)
    assert target.get("deployments", "web")["spec"]["replicas"] == 2
