"""What the scheduler must never do, whatever the cluster."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from fakes.objects import node, pod
from roost.api.values import Object
from roost.scheduler.decide import Bind, Scheduler

sizes = st.integers(min_value=0, max_value=4000)
zones = st.sampled_from(["1", "2", "3"])
taints = st.sampled_from([[], [{"key": "k", "value": "v", "effect": "NoSchedule"}]])
tolerations = st.sampled_from([[], [{"key": "k", "operator": "Exists"}]])
selectors = st.sampled_from([{}, {"zone": "1"}, {"zone": "2"}])


@st.composite
def nodes(draw: st.DrawFn) -> Object:
    name = f"n{draw(st.integers(0, 10**6))}"
    return node(
        name, cpu=f"{draw(sizes)}m", memory=f"{draw(sizes)}Mi", pods=draw(st.integers(0, 8)),
        labels={"zone": draw(zones)}, taints=draw(taints),
    )  # fmt: skip


@st.composite
def pods(draw: st.DrawFn) -> Object:
    name = f"p{draw(st.integers(0, 10**6))}"
    return pod(
        name, cpu=f"{draw(sizes)}m", memory=f"{draw(sizes)}Mi",
        tolerations=draw(tolerations), nodeSelector=draw(selectors),
    )  # fmt: skip


def place(scheduler: Scheduler, bodies: list[Object]) -> dict[str, str]:
    placed = {}
    for body in bodies:
        info = scheduler.shapes.info(body)
        decision = scheduler.schedule(info)
        if isinstance(decision, Bind):
            scheduler.snapshot.add_pod(info, decision.node)
            placed[body["metadata"]["name"]] = decision.node
    return placed


def unique(items: list[Object]) -> list[Object]:
    return list({item["metadata"]["name"]: item for item in items}.values())


@settings(max_examples=150, deadline=None)
@given(st.lists(nodes(), max_size=6), st.lists(pods(), max_size=20))
def test_bound_pods_fit(all_nodes: list[Object], all_pods: list[Object]) -> None:
    all_nodes, all_pods = unique(all_nodes), unique(all_pods)
    scheduler = Scheduler()
    for item in all_nodes:
        scheduler.snapshot.set_node(item)
    placed = place(scheduler, all_pods)
    by_name = {p["metadata"]["name"]: p for p in all_pods}
    for item in all_nodes:
        name = item["metadata"]["name"]
        here = [by_name[p] for p, where in placed.items() if where == name]
        allocatable = item["status"]["allocatable"]
        assert len(here) <= int(allocatable["pods"])
        for resource, unit in (("cpu", "m"), ("memory", "Mi")):
            asked = sum(
                int(p["spec"]["containers"][0]["resources"]["requests"][resource].rstrip(unit))
                for p in here
            )
            assert asked <= int(allocatable[resource].rstrip(unit))
        for p in here:
            assert p["spec"]["nodeSelector"].items() <= item["metadata"]["labels"].items()
            assert not item["spec"]["taints"] or p["spec"]["tolerations"]


@settings(max_examples=150, deadline=None)
@given(st.lists(nodes(), max_size=5), nodes(), st.lists(pods(), max_size=8), pods())
def test_adding_a_node_never_makes_a_schedulable_pod_unschedulable(
    all_nodes: list[Object], extra: Object, others: list[Object], last: Object
) -> None:
    scheduler = Scheduler()
    for item in unique(all_nodes):
        scheduler.snapshot.set_node(item)
    place(scheduler, unique(others))
    last["metadata"]["name"] = "last"
    info = scheduler.shapes.info(last)
    before = scheduler.schedule(info)
    extra["metadata"]["name"] = "extra"
    scheduler.snapshot.set_node(extra)
    if isinstance(before, Bind):
        assert isinstance(scheduler.schedule(info), Bind)


@settings(max_examples=100, deadline=None)
@given(st.lists(nodes(), min_size=1, max_size=4), st.lists(pods(), max_size=15), st.randoms())
def test_the_snapshot_is_what_it_would_be_if_built_afresh(
    all_nodes: list[Object], all_pods: list[Object], random: object
) -> None:
    all_nodes, all_pods = unique(all_nodes), unique(all_pods)
    scheduler = Scheduler()
    for item in all_nodes:
        scheduler.snapshot.set_node(item)
    placed = place(scheduler, all_pods)
    removed = set(list(placed)[::2])
    for body in all_pods:
        if body["metadata"]["name"] in removed:
            scheduler.snapshot.remove_pod(scheduler.shapes.info(body).key)
    fresh = Scheduler()
    for item in all_nodes:
        fresh.snapshot.set_node(item)
    for body in all_pods:
        name = body["metadata"]["name"]
        if name in placed and name not in removed:
            fresh.snapshot.add_pod(fresh.shapes.info(body), placed[name])
    for one, other in zip(scheduler.snapshot.present(), fresh.snapshot.present(), strict=True):
        assert {k: v for k, v in one.requested.items() if v} == other.requested
        assert (one.scored_cpu, one.scored_memory) == (other.scored_cpu, other.scored_memory)
        assert one.pods.keys() == other.pods.keys()
