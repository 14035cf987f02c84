"""Profiles: what a configuration may say, and what pods get by it."""

from __future__ import annotations

from typing import Any

import pytest

from fakes.objects import node, pod
from roost.api.values import Object
from roost.scheduler.decide import Bind, Rejections, Scheduler, Unschedulable, nodes_to_find
from roost.scheduler.preemption import preempt
from roost.scheduler.profile import WEIGHTS, Profile, read_profiles


def config(*profiles: Object, **more: Any) -> Object:
    return {
        "apiVersion": "kubescheduler.config.k8s.io/v1",
        "kind": "KubeSchedulerConfiguration",
        "profiles": list(profiles),
        **more,
    }


def arguments(plugin: str, **args: Any) -> Object:
    return {"pluginConfig": [{"name": plugin, "args": args}]}


def test_nothing_said_is_the_default() -> None:
    assert read_profiles(config()) == (Profile(),)
    assert Profile().weights == WEIGHTS


def test_a_profile_is_read() -> None:
    plugins = {
        "multiPoint": {"disabled": [{"name": "DefaultPreemption"}, {"name": "ImageLocality"}]},
        "score": {
            "disabled": [{"name": "*"}],
            "enabled": [{"name": "NodeResourcesFit", "weight": 5}, {"name": "TaintToleration"}],
        },
        "filter": {"disabled": [{"name": "TaintToleration"}]},
    }
    strategy = {"type": "MostAllocated", "resources": [{"name": "cpu"}, {"name": "memory"}]}
    body = {
        "schedulerName": "packer",
        "percentageOfNodesToScore": 20,
        "plugins": plugins,
        **arguments("NodeResourcesFit", kind="NodeResourcesFitArgs", scoringStrategy=strategy),
    }
    plain, packer = read_profiles(config({}, body, percentageOfNodesToScore=50))
    assert (plain.name, plain.percentage) == ("default-scheduler", 50)
    assert (packer.name, packer.percentage, packer.packs) == ("packer", 20, True)
    assert packer.without == {"DefaultPreemption", "TaintToleration"}
    scored = {name: weight for name, weight in packer.weights.items() if weight}
    assert scored == {"NodeResourcesFit": 5, "TaintToleration": 3}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (config({}, {}), 'profiles[1].schedulerName: Duplicate value: "default-scheduler"'),
        (
            config(percentageOfNodesToScore=101),
            "percentageOfNodesToScore: Invalid value: 101: not in valid range [0-100]",
        ),
        (
            config({"plugins": {"filter": {"disabled": [{"name": "VolumeBinding"}]}}}),
            "profiles[0].plugins.filter.disabled: VolumeBinding cannot be switched here",
        ),
        (
            config({"plugins": {"bind": {}}}),
            "profiles[0].plugins.bind: not supported, only multiPoint, filter, score, postFilter",
        ),
        (
            config(arguments("NodeResourcesFit", scoringStrategy={"type": "Else"})),
            (
                "profiles[0].pluginConfig[0].args.scoringStrategy.type: Else is not supported, only "
                "LeastAllocated and MostAllocated"
            ),
        ),
        (
            config(arguments("VolumeBinding")),
            "profiles[0].pluginConfig[0]: arguments of VolumeBinding are not supported",
        ),
        (
            config(arguments("InterPodAffinity", ignorePreferredTermsOfExistingPods=True)),
            "profiles[0].pluginConfig[0].args.ignorePreferredTermsOfExistingPods: not supported",
        ),
        (
            {"kind": "KubeSchedulerConfiguration"},
            (
                "apiVersion and kind must be kubescheduler.config.k8s.io/v1 and "
                "KubeSchedulerConfiguration"
            ),
        ),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(body: Object, message: str) -> None:
    with pytest.raises(ValueError) as told:
        read_profiles(body)
    assert str(told.value) == message


def test_each_pod_is_weighed_by_its_own_profile() -> None:
    strategy = {"type": "MostAllocated"}
    packer = {"schedulerName": "packer", **arguments("NodeResourcesFit", scoringStrategy=strategy)}
    packer["plugins"] = {
        "score": {"disabled": [{"name": "NodeResourcesBalancedAllocation"}]},
    }
    scheduler = Scheduler(read_profiles(config({}, packer)))
    for name in ("a", "b"):
        scheduler.snapshot.set_node(node(name))
    there = scheduler.shapes.info(pod("x", cpu="1", memory="2Gi"))
    scheduler.snapshot.add_pod(there, "a")
    for name, wanted in (("default-scheduler", "b"), ("packer", "a")):
        body = pod("p", cpu="1", memory="2Gi", schedulerName=name)
        assert scheduler.schedule(scheduler.shapes.info(body)) == Bind(wanted)


def test_added_affinity_holds_for_all_pods_of_the_profile() -> None:
    expression = {"key": "disk", "operator": "In", "values": ["ssd"]}
    required = {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}
    added = {"requiredDuringSchedulingIgnoredDuringExecution": required}
    scheduler = Scheduler(read_profiles(config(arguments("NodeAffinity", addedAffinity=added))))
    scheduler.snapshot.set_node(node("a"))
    info = scheduler.shapes.info(pod("p"))
    found = scheduler.schedule(info)
    assert isinstance(found, Rejections)
    assert found.message == (
        "0/1 nodes are available: 1 node(s) didn't match scheduler-enforced node affinity."
    )
    scheduler.snapshot.set_node(node("b", labels={"disk": "ssd"}))
    assert scheduler.schedule(info) == Bind("b")


def test_a_filter_and_preemption_can_be_switched_off() -> None:
    taint = [{"key": "k", "effect": "NoSchedule"}]
    off = {"multiPoint": {"disabled": [{"name": "TaintToleration"}, {"name": "DefaultPreemption"}]}}
    scheduler = Scheduler(read_profiles(config({"plugins": off})))
    scheduler.snapshot.set_node(node("a", cpu="1", taints=taint))
    assert scheduler.schedule(scheduler.shapes.info(pod("p"))) == Bind("a")
    info = scheduler.shapes.info(pod("q", cpu="2"))
    found = scheduler.schedule(info)
    assert isinstance(found, Rejections)
    assert preempt(scheduler, info, found, []) == Unschedulable(
        "0/1 nodes are available: 1 Insufficient cpu.", frozenset({"NodeResourcesFit"})
    )


@pytest.mark.parametrize(
    ("total", "percentage", "wanted"),
    [(5000, 0, 500), (5000, 20, 1000), (5000, 100, 5000), (150, 1, 100), (50, 10, 50)],
)
def test_a_share_of_the_nodes_is_enough(total: int, percentage: int, wanted: int) -> None:
    assert nodes_to_find(total, percentage) == wanted
