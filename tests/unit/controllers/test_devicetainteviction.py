"""What becomes of pods whose devices are tainted."""

from __future__ import annotations

from typing import Any

import pytest

from roost.api.kind import Resource
from roost.api.values import Object
from roost.controllers.devicetainteviction import Schedule, ends_at, reconcile
from roost.decisions.controller import Key
from roost.decisions.meta import key_of, seconds_of
from roost.decisions.plan import Delete, EmitEvent, Patch, Plan
from roost.decisions.resources import PODS, RESOURCE_CLAIMS, RESOURCE_SLICES

ADDED = "2027-01-15T09:00:00Z"
NOW = seconds_of(ADDED)
TAINT = {"key": "broken", "effect": "NoExecute", "timeAdded": ADDED}


def toleration(seconds: int | None = None, **more: Any) -> Object:
    found: Object = {"key": "broken", "operator": "Exists", "effect": "NoExecute", **more}
    return found if seconds is None else {**found, "tolerationSeconds": seconds}


@pytest.mark.parametrize(
    ("tolerations", "expected"),
    [
        ([], NOW),
        ([toleration()], None),
        ([toleration(30), toleration(60)], NOW + 30),
        ([toleration(-5)], NOW),
        ([toleration(key="other")], NOW),
        ([toleration(effect="")], NOW),
    ],
)
def test_how_long_a_taint_is_tolerated(tolerations: list[Object], expected: float | None) -> None:
    assert ends_at(tolerations, TAINT) == expected


class Scene:
    """A pod whose claim was given the device d0 of a pool."""

    def __init__(self, *tolerations: Object) -> None:
        self.objects: dict[Resource, list[Object]] = {}
        self.resource = PODS
        self.pod = {
            "metadata": {"namespace": "n", "name": "p", "uid": "pod-uid"},
            "spec": {
                "nodeName": "n1",
                "resourceClaims": [{"name": "gpu", "resourceClaimName": "c"}],
            },
        }
        result = {"driver": "x.example", "pool": "a", "device": "d0", "request": "r",
                  "tolerations": list(tolerations)}  # fmt: skip
        self.claim: Object = {
            "metadata": {"namespace": "n", "name": "c", "uid": "c"},
            "status": {
                "allocation": {"devices": {"results": [result]}},
                "reservedFor": [{"resource": "pods", "name": "p", "uid": "pod-uid"}],
            },
        }
        self.objects = {PODS: [self.pod], RESOURCE_CLAIMS: [self.claim], RESOURCE_SLICES: []}
        self.schedule = Schedule()

    def __getitem__(self, resource: Resource) -> Scene:
        self.resource = resource
        return self

    def get(self, namespace: str, name: str) -> Object | None:
        found = (o for o in self.objects[self.resource] if key_of(o) == (namespace, name))
        return next(found, None)

    def by(self, _index: str, value: str) -> list[Object]:
        assert value == "x.example/a"
        return self.objects[self.resource]

    def taint(self, *taints: Object, generation: int = 1, device: str = "d0") -> None:
        pool = {"name": "a", "generation": generation}
        spec = {"driver": "x.example", "pool": pool,
                "devices": [{"name": device, "taints": list(taints)}]}  # fmt: skip
        name = f"s{generation}"
        self.objects[RESOURCE_SLICES].append({"metadata": {"name": name}, "spec": spec})

    def look(self, at: float = NOW) -> Plan:
        seen = self.schedule.view(self, Key("n", "p"), at)  # type: ignore[arg-type]
        return Plan() if seen is None else reconcile(seen)


def said(plan: Plan) -> list[str]:
    return [action.message for action in plan.actions if isinstance(action, EmitEvent)]


def test_a_pod_on_a_tainted_device_goes_and_says_why() -> None:
    scene = Scene()
    scene.taint(TAINT)
    event, patch, deletion = scene.look().actions
    assert isinstance(event, EmitEvent)
    assert (event.reason, event.message) == ("DeviceTaintManagerEviction", "Marking for deletion")
    assert isinstance(patch, Patch)
    (condition,) = patch.body["status"]["conditions"]
    assert (condition["type"], condition["reason"], condition["message"]) == (
        "DisruptionTarget", "DeletionByDeviceTaintManager",
        "Device Taint manager: deleting due to NoExecute taint",
    )  # fmt: skip
    assert isinstance(deletion, Delete)


def test_a_pod_waits_for_the_end_of_its_tolerance_unless_the_taint_goes() -> None:
    scene = Scene(toleration(60))
    scene.taint(TAINT)
    assert scene.look() == Plan(wake_at=NOW + 60)
    scene.taint(generation=2)  # the old slice counts no longer
    assert said(scene.look(NOW + 5)) == ["Cancelling deletion"]
    assert scene.look(NOW + 6) == Plan()
    scene.taint(TAINT, generation=3)
    assert said(scene.look(NOW + 60)) == ["Marking for deletion"]


def test_other_devices_effects_and_pods_do_not_count() -> None:
    scene = Scene()
    scene.taint({**TAINT, "effect": "NoSchedule"})
    scene.taint(TAINT, device="d1")
    assert scene.look() == Plan()
    scene = Scene()
    scene.taint(TAINT)
    scene.claim["status"]["reservedFor"][0]["uid"] = "an older pod"
    assert scene.look() == Plan()
    scene = Scene()
    scene.taint(TAINT)
    scene.pod["spec"]["resourceClaims"] = [{"name": "gpu", "resourceClaimTemplateName": "t"}]
    scene.pod["status"] = {"resourceClaimStatuses": [{"name": "gpu", "resourceClaimName": "c"}]}
    assert scene.look() == Plan(), "the claim is not the pod's own"
    owner = {"kind": "Pod", "name": "p", "uid": "pod-uid", "controller": True}
    scene.claim["metadata"]["ownerReferences"] = [owner]
    assert said(scene.look()) == ["Marking for deletion"]
