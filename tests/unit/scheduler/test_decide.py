"""Where a pod goes, and what is said when it can go nowhere."""

from __future__ import annotations

from typing import Any

import pytest

from fakes.objects import node, pod
from roost.api.selectors import EVERYTHING
from roost.api.values import Object
from roost.decisions.controller import Key
from roost.scheduler.decide import (
    Bind,
    Preempt,
    Rejections,
    Scheduler,
    Unschedulable,
    nodes_to_find,
)
from roost.scheduler.preemption import Budget, preempt


def cluster(*nodes: Object, bound: dict[str, list[Object]] | None = None) -> Scheduler:
    scheduler = Scheduler()
    scheduler.snapshot.namespaces["default"] = {}
    for item in nodes:
        scheduler.snapshot.set_node(item)
    for name, pods in (bound or {}).items():
        for item in pods:
            scheduler.snapshot.add_pod(scheduler.shapes.info(item), name)
    return scheduler


def decide(scheduler: Scheduler, body: Object, budgets: list[Budget] | None = None) -> Any:
    info = scheduler.shapes.info(body)
    found = scheduler.schedule(info)
    if isinstance(found, Rejections):
        return preempt(scheduler, info, found, budgets or [])
    return found


TAINT = [{"key": "dedicated", "value": "db", "effect": "NoSchedule"}]


def test_the_message_counts_reasons_as_the_real_scheduler_prints_them() -> None:
    scheduler = cluster(node("a", taints=TAINT), node("b", cpu="1"), node("c", cpu="1"))
    decision = decide(scheduler, pod("p", cpu="2"))
    assert decision == Unschedulable(
        "0/3 nodes are available: 1 node(s) had untolerated taint(s), 2 Insufficient cpu. "
        "preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling.",
        frozenset({"TaintToleration", "NodeResourcesFit"}),
    )


def test_a_full_node_says_that_there_are_no_victims() -> None:
    scheduler = cluster(node("a", cpu="2"), bound={"a": [pod("x", cpu="2")]})
    assert decide(scheduler, pod("p", cpu="1")).message == (
        "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: "
        "1 No preemption victims found for incoming pod."
    )


def test_without_nodes_there_is_nothing_to_count() -> None:
    assert decide(cluster(), pod("p")) == Unschedulable("no nodes available to schedule pods")


HOST_PORT = {"ports": [{"containerPort": 80, "hostPort": 80}]}


@pytest.mark.parametrize(
    ("target", "body", "reason"),
    [
        (node("a", unschedulable=True), pod("p"), "node(s) were unschedulable"),
        (node("a", taints=TAINT), pod("p"), "node(s) had untolerated taint(s)"),
        (
            node("a"),
            pod("p", nodeSelector={"disk": "ssd"}),
            "node(s) didn't match Pod's node affinity/selector",
        ),
        (node("a", pods=0), pod("p"), "Too many pods"),
        (node("a"), pod("p", memory="9Gi"), "Insufficient memory"),
        (
            node("a"),
            pod("p", container={"resources": {"requests": {"nvidia.com/gpu": "1"}}}),
            "Insufficient nvidia.com/gpu",
        ),
    ],
)
def test_each_filter_has_its_reason(target: Object, body: Object, reason: str) -> None:
    assert decide(cluster(target), body).message.startswith(f"0/1 nodes are available: 1 {reason}.")


@pytest.mark.parametrize(
    ("taints", "tolerations", "fits"),
    [
        (TAINT, [{"key": "dedicated", "operator": "Exists"}], True),
        (TAINT, [{"key": "dedicated", "value": "db"}], True),
        (TAINT, [{"key": "dedicated", "value": "web"}], False),
        (TAINT, [{"operator": "Exists"}], True),
        (TAINT, [{"operator": "Exists", "effect": "NoExecute"}], False),
        ([{"key": "k", "effect": "PreferNoSchedule"}], [], True),
        ([{"key": "k", "effect": "NoExecute"}], [], False),
    ],
)
def test_tolerations(taints: list[Object], tolerations: list[Object], fits: bool) -> None:
    decision = decide(cluster(node("a", taints=taints)), pod("p", tolerations=tolerations))
    assert isinstance(decision, Bind) is fits


def test_a_host_port_is_used_once_per_address() -> None:
    taken = pod("x", container=HOST_PORT)
    scheduler = cluster(node("a"), node("b"), bound={"a": [taken]})
    assert decide(scheduler, pod("p", container=HOST_PORT)) == Bind("b")
    other = {"ports": [{"containerPort": 80, "hostPort": 80, "protocol": "UDP"}]}
    assert isinstance(
        decide(cluster(node("a"), bound={"a": [taken]}), pod("q", container=other)), Bind
    )


def test_the_emptier_node_is_better() -> None:
    scheduler = cluster(node("a"), node("b"), bound={"a": [pod("x", cpu="2", memory="2Gi")]})
    assert decide(scheduler, pod("p", cpu="1")) == Bind("b")


def test_preferred_node_affinity_outweighs_a_little_load() -> None:
    prefer = [
        {
            "weight": 100,
            "preference": {
                "matchExpressions": [{"key": "disk", "operator": "In", "values": ["ssd"]}]
            },
        }
    ]
    affinity = {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": prefer}}
    scheduler = cluster(
        node("a"), node("b", labels={"disk": "ssd"}), bound={"b": [pod("x", cpu="500m")]}
    )
    assert decide(scheduler, pod("p", cpu="100m", affinity=affinity)) == Bind("b")


def test_a_soft_taint_is_avoided() -> None:
    soft = [{"key": "k", "effect": "PreferNoSchedule"}]
    scheduler = cluster(node("a", taints=soft), node("b"), bound={"b": [pod("x", cpu="1")]})
    assert decide(scheduler, pod("p", cpu="100m")) == Bind("b")


def test_a_node_with_the_image_is_better() -> None:
    with_image = node("b")
    with_image["status"]["images"] = [{"names": ["app:1"], "sizeBytes": 900_000_000}]
    assert decide(cluster(node("a"), with_image), pod("p", cpu="1")) == Bind("b")


def test_pods_of_one_service_are_spread_over_nodes() -> None:
    scheduler = cluster(*(node(f"n{i}", cpu="64", memory="64Gi") for i in range(5)))
    scheduler.selectors.set_service(Key("default", "web"), {"app": "web"})
    used = []
    for number in range(10):
        body = pod(f"p{number}", cpu="1", labels={"app": "web"})
        decision = decide(scheduler, body)
        used.append(decision.node)
        scheduler.snapshot.add_pod(scheduler.shapes.info(body), decision.node)
    assert sorted(used) == sorted([f"n{i}" for i in range(5)] * 2)


def spread(key: str, skew: int = 1) -> list[Object]:
    return [
        {
            "topologyKey": key,
            "maxSkew": skew,
            "whenUnsatisfiable": "DoNotSchedule",
            "labelSelector": {"matchLabels": {"app": "web"}},
        }
    ]


def test_a_hard_spread_constraint_keeps_the_skew() -> None:
    nodes = [node("a", labels={"zone": "1"}), node("b", labels={"zone": "2"})]
    web = {"app": "web"}
    scheduler = cluster(*nodes, node("c"), bound={"a": [pod("x", labels=web)]})
    body = pod("p", labels=web, topologySpreadConstraints=spread("zone"))
    assert decide(scheduler, body) == Bind("b")
    scheduler.snapshot.set_node(node("b", labels={"zone": "2"}, unschedulable=True))
    message = decide(scheduler, body).message
    assert "1 node(s) didn't match pod topology spread constraints," in message
    assert (
        "1 node(s) didn't match pod topology spread constraints (missing required label)" in message
    )


def near(which: str, key: str, selector: Object) -> Object:
    term = {"topologyKey": key, "labelSelector": {"matchLabels": selector}}
    return {which: {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}


def test_pod_affinity_and_anti_affinity() -> None:
    db = pod("db", labels={"app": "db"})
    scheduler = cluster(node("a"), node("b"), bound={"a": [db]})
    host = "kubernetes.io/hostname"
    together = pod("p", affinity=near("podAffinity", host, {"app": "db"}))
    apart = pod("q", affinity=near("podAntiAffinity", host, {"app": "db"}))
    assert decide(scheduler, together) == Bind("a")
    assert decide(scheduler, apart) == Bind("b")
    nowhere = pod("r", affinity=near("podAffinity", host, {"app": "none"}))
    assert "2 node(s) didn't match pod affinity rules" in decide(scheduler, nowhere).message


def test_the_first_of_a_group_that_wants_to_be_together_starts_somewhere() -> None:
    affinity = near("podAffinity", "kubernetes.io/hostname", {"app": "x"})
    body = pod("p", labels={"app": "x"}, affinity=affinity)
    assert isinstance(decide(cluster(node("a")), body), Bind)


def test_a_running_pod_keeps_others_away() -> None:
    guard = pod("g", affinity=near("podAntiAffinity", "kubernetes.io/hostname", {"app": "web"}))
    scheduler = cluster(node("a"), bound={"a": [guard]})
    message = decide(scheduler, pod("p", labels={"app": "web"})).message
    assert "1 node(s) didn't satisfy existing pods anti-affinity rules" in message
    assert isinstance(decide(scheduler, pod("q", labels={"app": "other"})), Bind)


def test_preemption_takes_the_least_important_pods() -> None:
    scheduler = cluster(
        node("a", cpu="2"),
        node("b", cpu="2"),
        bound={
            "a": [pod("a1", cpu="1", priority=5), pod("a2", cpu="1", priority=1)],
            "b": [pod("b1", cpu="2", priority=8)],
        },
    )
    decision = decide(scheduler, pod("p", cpu="1", priority=10))
    assert isinstance(decision, Preempt)
    assert (decision.node, decision.victims) == ("a", (Key("default", "a2"),))
    assert decision.message == "0/2 nodes are available: 2 Insufficient cpu."


def test_preemption_spares_budgets_and_respects_never() -> None:
    bound = {
        "a": [pod("a1", cpu="2", priority=1, labels={"app": "x"})],
        "b": [pod("b1", cpu="2", priority=2, namespace="other", labels={"app": "x"})],
    }
    scheduler = cluster(node("a", cpu="2"), node("b", cpu="2"), bound=bound)
    budget = Budget("default", EVERYTHING, 0)
    decision = decide(scheduler, pod("p", cpu="1", priority=10), [budget])
    assert decision.node == "b"
    never = pod("n", cpu="1", priority=10, preemptionPolicy="Never")
    assert decide(scheduler, never).message.endswith(
        " preemption: not eligible due to preemptionPolicy=Never."
    )


def test_room_that_was_made_is_kept_for_whom_it_was_made() -> None:
    scheduler = cluster(node("a", cpu="2"))
    important = scheduler.shapes.info(pod("p", cpu="2", priority=10))
    scheduler.nominated[important.key] = (important, "a")
    assert isinstance(decide(scheduler, pod("q", cpu="1")), Unschedulable)
    assert scheduler.schedule(important) == Bind("a")


def test_what_was_found_out_is_forgotten_when_the_node_changes() -> None:
    scheduler = cluster(node("a", cpu="1"))
    assert isinstance(decide(scheduler, pod("p", cpu="2")), Unschedulable)
    scheduler.snapshot.set_node(node("a", cpu="2"))
    assert decide(scheduler, pod("p", cpu="2")) == Bind("a")
    scheduler.snapshot.add_pod(scheduler.shapes.info(pod("x", cpu="1")), "a")
    assert isinstance(decide(scheduler, pod("p", cpu="2")), Unschedulable)
    scheduler.snapshot.remove_pod(Key("default", "x"))
    assert decide(scheduler, pod("p", cpu="2")) == Bind("a")


def test_pods_on_a_node_that_is_not_known_yet_are_counted_when_it_comes() -> None:
    scheduler = cluster(bound={"a": [pod("x", cpu="3")]})
    scheduler.snapshot.set_node(node("a", cpu="4"))
    assert isinstance(decide(scheduler, pod("p", cpu="2")), Unschedulable)


def test_luck_chooses_among_equals_only() -> None:
    scheduler = cluster(*(node(f"n{i}") for i in range(4)))
    info = scheduler.shapes.info(pod("p", cpu="1"))
    chosen = {scheduler.schedule(info, luck / 8).node for luck in range(8)}  # type: ignore[union-attr]
    assert chosen == {"n0", "n1", "n2", "n3"}


@pytest.mark.parametrize(
    ("total", "enough"), [(5, 5), (100, 100), (200, 100), (5000, 500), (20000, 1000)]
)
def test_large_clusters_are_sampled(total: int, enough: int) -> None:
    assert nodes_to_find(total) == enough


def named(*names: str) -> Object:
    field = {"key": "metadata.name", "operator": "In", "values": list(names)}
    required = {"nodeSelectorTerms": [{"matchFields": [field]}]}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}


def test_a_pod_for_named_nodes_asks_these_alone() -> None:
    scheduler = cluster(node("a", cpu="1"), node("b"), node("c"))
    decision = decide(scheduler, pod("p", cpu="2", affinity=named("a")))
    assert decision.message == (
        "0/3 nodes are available: 1 Insufficient cpu, 2 node(s) didn't satisfy plugin(s) "
        "[NodeAffinity]. preemption: 0/3 nodes are available: 3 Preemption is not helpful for "
        "scheduling."
    )
    assert decision.plugins == {"NodeAffinity", "NodeResourcesFit"}
    assert decide(scheduler, pod("p", cpu="2", affinity=named("c", "gone"))) == Bind("c")


def test_terms_that_name_no_node_together_are_told() -> None:
    affinity = named("a")
    rule = affinity["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    rule["nodeSelectorTerms"][0]["matchFields"] += named("b")["nodeAffinity"][
        "requiredDuringSchedulingIgnoredDuringExecution"
    ]["nodeSelectorTerms"][0]["matchFields"]
    told = decide(cluster(node("a"), node("b")), pod("p", affinity=affinity)).message
    assert told.startswith("0/2 nodes are available: pod affinity terms conflict. preemption: ")


def test_pods_like_one_that_runs_are_not_tied_to_its_node() -> None:
    scheduler = cluster(node("a", cpu="1"), node("b"), bound={"a": [pod("x", nodeName="a")]})
    assert decide(scheduler, pod("p", cpu="")) == Bind("b")


def test_a_pod_that_is_resized_counts_with_the_most_it_may_have() -> None:
    def resized(reason: str) -> Object:
        status = {
            "conditions": [{"type": "PodResizePending", "status": "True", "reason": reason}],
            "containerStatuses": [
                {
                    "name": "main",
                    "allocatedResources": {"cpu": "2"},
                    "resources": {"requests": {"cpu": "1"}},
                }
            ],
        }
        return pod("x", cpu="3", nodeName="a", status=status)

    for reason, left in (("Deferred", "1"), ("Infeasible", "2")):
        scheduler = cluster(node("a", cpu="4"), bound={"a": [resized(reason)]})
        assert decide(scheduler, pod("p", cpu=left)) == Bind("a")
        assert not isinstance(decide(scheduler, pod("q", cpu=f"{left}001m")), Bind)


def test_the_node_where_room_was_made_is_asked_first() -> None:
    scheduler = cluster(node("a"), node("b"), bound={"a": [pod("x", cpu="3")]})
    body = pod("p", cpu="1", priority=5)
    info = scheduler.shapes.info(body)
    assert scheduler.schedule(info) == Bind("b")
    scheduler.nominated[info.key] = (info, "a")
    assert scheduler.schedule(info) == Bind("a")


def test_a_pod_does_not_preempt_again_while_its_victims_are_going() -> None:
    going = pod("x", cpu="2", priority=1)
    going["metadata"]["deletionTimestamp"] = "2027-01-15T08:00:00Z"
    condition = {
        "type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler",
    }  # fmt: skip
    for conditions, waits in (([condition], True), ([], False)):
        victim = {**going, "status": {"phase": "Running", "conditions": conditions}}
        scheduler = cluster(node("a", cpu="2"), bound={"a": [victim]})
        info = scheduler.shapes.info(pod("p", cpu="2", priority=5))
        scheduler.nominated[info.key] = (info, "a")
        found = scheduler.schedule(info)
        assert isinstance(found, Rejections)
        decision = preempt(scheduler, info, found, [])
        assert isinstance(decision, Unschedulable) is waits
        if isinstance(decision, Unschedulable):
            assert decision.keeps_node
            assert decision.message.endswith(
                "preemption: not eligible due to a terminating pod on the nominated node."
            )


def test_a_budget_has_counted_pods_that_are_being_evicted() -> None:
    bound = {
        "a": [pod("a1", cpu="2", priority=1, labels={"app": "x"})],
        "b": [pod("b1", cpu="2", priority=2, labels={"app": "x"})],
    }
    scheduler = cluster(node("a", cpu="2"), node("b", cpu="2"), bound=bound)
    budget = Budget("default", EVERYTHING, 0, frozenset({"b1"}))
    assert decide(scheduler, pod("p", cpu="1", priority=10), [budget]).node == "b"


def test_images_of_init_containers_and_of_volumes_count() -> None:
    info = cluster().shapes.info(
        pod(
            "p",
            initContainers=[{"name": "i", "image": "init:1"}],
            volumes=[{"name": "v", "image": {"reference": "model:1"}}],
        )
    )
    assert info.shape.images == ("init:1", "app:1", "model:1")
