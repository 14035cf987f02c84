"""What claims and volumes of a pod mean for nodes."""

from __future__ import annotations

from typing import Any

import pytest

from fakes.objects import node, pod
from roost.api.values import Object
from roost.decisions.controller import Key
from roost.scheduler.decide import Bind, Preempt, Rejections, Scheduler
from roost.scheduler.preemption import preempt

BOUND = {"pv.kubernetes.io/bind-completed": "yes"}


def claim(name: str, volume: str = "", owner: str = "", **spec: Any) -> Object:
    metadata: Object = {"name": name, "namespace": "default", "uid": f"uid-{name}"}
    if owner:
        metadata["ownerReferences"] = [
            {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": owner, "controller": True}
        ]
    asked = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    body: Object = {"metadata": metadata, "spec": {**asked, **spec}, "status": {}}
    if volume:
        metadata["annotations"] = BOUND
        body["spec"]["volumeName"] = volume
        body["status"]["phase"] = "Bound"
    return body


def volume(name: str, labels: Any = None, **spec: Any) -> Object:
    metadata = {"name": name, "labels": labels or {}}
    return {
        "metadata": metadata,
        "spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], **spec},
    }


def csi(handle: str) -> Object:
    return {"csi": {"driver": "disk.example.com", "volumeHandle": handle}}


def user(name: str, *claims: str, **more: Any) -> Object:
    volumes = [{"name": c, "persistentVolumeClaim": {"claimName": c}} for c in claims]
    return pod(name, volumes=volumes, **more)


def cluster(*nodes: Object, claims: Any = (), volumes: Any = ()) -> Scheduler:
    scheduler = Scheduler()
    for one in nodes:
        scheduler.snapshot.set_node(one)
    for one in claims:
        scheduler.volumes.claims[Key("default", one["metadata"]["name"])] = one
    for one in volumes:
        scheduler.volumes.volumes[one["metadata"]["name"]] = one
    return scheduler


def place(scheduler: Scheduler, body: Object, on: str) -> None:
    scheduler.snapshot.add_pod(scheduler.shapes.info(body), on)


def decide(scheduler: Scheduler, body: Object) -> Any:
    info = scheduler.shapes.info(body)
    found = scheduler.schedule(info)
    return preempt(scheduler, info, found, []) if isinstance(found, Rejections) else found


ONE_POD = (
    "node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode"
)


def test_a_claim_of_one_pod_waits_for_it_or_preempts_it() -> None:
    mine = claim("c", "v", accessModes=["ReadWriteOncePod"])
    scheduler = cluster(node("a"), node("b"), claims=[mine], volumes=[volume("v")])
    assert isinstance(decide(scheduler, user("p", "c")), Bind)
    place(scheduler, user("q", "c", priority=1), "a")
    told = decide(scheduler, user("p", "c", priority=1)).message
    assert told.startswith(f"0/2 nodes are available: 2 {ONE_POD}. preemption: ")
    better = decide(scheduler, user("p", "c", priority=2))
    assert isinstance(better, Preempt)
    assert (better.node, better.victims) == ("a", (Key("default", "q"),))
    scheduler.snapshot.remove_pod(Key("default", "q"))
    assert isinstance(decide(scheduler, user("p", "c")), Bind)
    assert not scheduler.snapshot.claim_users


@pytest.mark.parametrize(
    ("kind", "mine", "theirs", "fits"),
    [
        ("gcePersistentDisk", {"pdName": "d"}, {"pdName": "d"}, False),
        ("gcePersistentDisk", {"pdName": "d"}, {"pdName": "e"}, True),
        ("iscsi", {"iqn": "i", "readOnly": True}, {"iqn": "i", "readOnly": True}, True),
        ("iscsi", {"iqn": "i", "readOnly": True}, {"iqn": "i"}, False),
        (
            "awsElasticBlockStore",
            {"volumeID": "v", "readOnly": True},
            {"volumeID": "v", "readOnly": True},
            False,
        ),
        ("rbd", {"monitors": ["m", "n"], "image": "i"}, {"monitors": ["n"], "image": "i"}, False),
        ("rbd", {"monitors": ["m"], "image": "i"}, {"monitors": ["n"], "image": "i"}, True),
    ],
)
def test_disks_that_pods_cannot_share(kind: str, mine: Any, theirs: Any, fits: bool) -> None:
    scheduler = cluster(node("a"))
    place(scheduler, pod("q", volumes=[{"name": "v", kind: theirs}]), "a")
    decision = decide(scheduler, pod("p", volumes=[{"name": "v", kind: mine}]))
    assert isinstance(decision, Bind) is fits
    if not fits:
        assert "1 node(s) had no available disk." in decision.message


@pytest.mark.parametrize(
    ("labels", "zones", "fits"),
    [
        ({"topology.kubernetes.io/zone": "x"}, "x", True),
        ({"topology.kubernetes.io/zone": "x"}, "y", False),
        ({"topology.kubernetes.io/zone": "x"}, "x__y", True),
        ({}, "y", True),
        ({"topology.kubernetes.io/region": "r"}, "y", False),
    ],
)
def test_a_volume_is_used_in_its_zones(labels: Any, zones: str, fits: bool) -> None:
    for label in ("topology.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/zone"):
        there = volume("v", labels={label: zones})
        scheduler = cluster(node("a", labels=labels), claims=[claim("c", "v")], volumes=[there])
        decision = decide(scheduler, user("p", "c"))
        assert isinstance(decision, Bind) is fits
        if not fits:
            assert "1 node(s) had no available volume zone." in decision.message


def test_a_driver_takes_so_many_volumes_on_a_node() -> None:
    claims = [claim(name, name) for name in ("c1", "c2", "c3")]
    volumes = [volume(name, **csi(name)) for name in ("c1", "c2", "c3")]
    scheduler = cluster(node("a"), claims=claims, volumes=volumes)
    driver = {"name": "disk.example.com", "nodeID": "a", "allocatable": {"count": 2}}
    scheduler.volumes.limits.nodes["a"] = {"spec": {"drivers": [driver]}}
    place(scheduler, user("q", "c1"), "a")
    assert isinstance(decide(scheduler, user("p", "c2")), Bind)
    place(scheduler, user("r", "c2"), "a")
    assert isinstance(decide(scheduler, user("p", "c1", "c2")), Bind)  # both are there already
    full = decide(scheduler, user("p", "c3")).message
    assert full.startswith("0/1 nodes are available: 1 node(s) exceed max volume count.")


def test_new_volumes_need_room_where_drivers_tell_of_it() -> None:
    lazy = {
        "metadata": {"name": "fast"},
        "provisioner": "disk.example.com",
        "volumeBindingMode": "WaitForFirstConsumer",
    }
    scheduler = cluster(node("a"), node("b"), claims=[claim("c", storageClassName="fast")])
    scheduler.volumes.classes["fast"] = lazy
    limits = scheduler.volumes.limits
    limits.drivers["disk.example.com"] = {"spec": {"storageCapacity": True}}
    told = decide(scheduler, user("p", "c")).message
    assert "2 node(s) did not have enough free storage." in told
    room = {
        "storageClassName": "fast",
        "capacity": "2Gi",
        "nodeTopology": {"matchLabels": {"kubernetes.io/hostname": "b"}},
    }
    limits.capacities["kube-system/x"] = room
    assert decide(scheduler, user("p", "c")) == Bind("b")
    limits.capacities["kube-system/x"] = {**room, "maximumVolumeSize": "1Mi"}
    assert not isinstance(decide(scheduler, user("p", "c")), Bind)


def test_an_ephemeral_volume_waits_for_the_claim_of_this_very_pod() -> None:
    body = pod("p", volumes=[{"name": "v", "ephemeral": {"volumeClaimTemplate": {}}}])
    scheduler = cluster(node("a"))
    assert decide(scheduler, body).message.startswith(
        "0/1 nodes are available: waiting for ephemeral volume controller to create the "
        'persistentvolumeclaim "p-v".'
    )
    scheduler.volumes.volumes["x"] = volume("x")
    scheduler.volumes.claims[Key("default", "p-v")] = claim("p-v", "x")
    assert decide(scheduler, body).message.startswith(
        "0/1 nodes are available: PVC default/p-v was not created for pod default/p "
        "(pod is not owner)."
    )
    scheduler.volumes.claims[Key("default", "p-v")] = claim("p-v", "x", owner="uid-p")
    assert decide(scheduler, body) == Bind("a")
    other = scheduler.shapes.info(pod("q", volumes=body["spec"]["volumes"])).shape
    assert other.claims == ("q-v",)


def test_a_volume_that_is_gone_is_on_no_node() -> None:
    scheduler = cluster(node("a"), claims=[claim("c", "v")])
    assert "1 node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)." in (
        decide(scheduler, user("p", "c")).message
    )
