"""Claims and volumes that are used do not go."""

from __future__ import annotations

import pytest

from roost.controllers.storageprotection import (
    CLAIM_FINALIZER,
    CLAIMS,
    CLASS_FINALIZER,
    CLASSES,
    VOLUME_FINALIZER,
    VOLUMES,
    claims_of,
    classes_of,
)
from roost.decisions.controller import Key
from roost.decisions.plan import NOTHING, Patch, Plan, Ref
from roost.decisions.resources import (
    PERSISTENT_VOLUME_CLAIMS,
    PERSISTENT_VOLUMES,
    PODS,
    VOLUME_ATTRIBUTES_CLASSES,
)


class Cache:
    def __init__(self, *objects, index=()):
        self._objects, self._index = objects, index

    def get(self, namespace, name):
        return next((o for o in self._objects if o["metadata"]["name"] == name), None)

    def by(self, index, value):
        return self._index


def claim(*, going=True, finalizers=(CLAIM_FINALIZER, "x")):
    metadata = {"name": "c", "namespace": "n", "uid": "u", "resourceVersion": "7",
                "finalizers": list(finalizers)}  # fmt: skip
    return {"metadata": {**metadata, **({"deletionTimestamp": "t"} if going else {})}, "spec": {}}


def pod(*, node="n1", phase="Running"):
    volumes = [{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]
    return {
        "metadata": {"name": "p", "namespace": "n"},
        "spec": {"nodeName": node, "volumes": volumes},
        "status": {"phase": phase},
    }


def plan_for(found, *users):
    caches = {PERSISTENT_VOLUME_CLAIMS: Cache(found), PODS: Cache(index=users)}
    return CLAIMS.reconcile(CLAIMS.view(caches, Key("n", "c"), 0.0))


@pytest.mark.parametrize("users", [(), (pod(node=""),), (pod(phase="Succeeded"),)])
def test_a_claim_that_nobody_uses_goes(users):
    body = {"metadata": {"resourceVersion": "7", "finalizers": ["x"]}}
    assert plan_for(claim(), *users) == Plan(
        (Patch(Ref(PERSISTENT_VOLUME_CLAIMS, "n", "c", "u"), body),)
    )


@pytest.mark.parametrize(
    ("found", "users"),
    [
        (claim(), (pod(),)),
        (claim(going=False), ()),
        (claim(finalizers=("x",)), ()),
    ],
)
def test_a_claim_that_is_used_or_stays_is_left_alone(found, users):
    assert plan_for(found, *users) == NOTHING


@pytest.mark.parametrize(("phase", "stays"), [("Bound", True), ("Released", False), ("", False)])
def test_a_volume_stays_while_it_is_bound(phase, stays):
    volume = {
        "metadata": {"name": "v", "uid": "u", "resourceVersion": "7", "deletionTimestamp": "t",
                     "finalizers": [VOLUME_FINALIZER]},
        "spec": {},
        "status": {"phase": phase},
    }  # fmt: skip
    view = VOLUMES.view({PERSISTENT_VOLUMES: Cache(volume)}, Key("", "v"), 0.0)
    assert (VOLUMES.reconcile(view) == NOTHING) is stays


def test_ephemeral_volumes_have_claims_of_their_own():
    found = pod()
    found["spec"]["volumes"].append({"name": "e", "ephemeral": {}})
    assert list(claims_of(found)) == ["c", "p-e"]


def test_a_class_stays_while_a_claim_or_volume_names_it():
    metadata = {"name": "a", "uid": "u", "resourceVersion": "7", "deletionTimestamp": "t",
                "finalizers": [CLASS_FINALIZER]}  # fmt: skip

    def freed(volumes, claims):
        caches = {
            VOLUME_ATTRIBUTES_CLASSES: Cache({"metadata": metadata}),
            PERSISTENT_VOLUMES: Cache(index=volumes),
            PERSISTENT_VOLUME_CLAIMS: Cache(index=claims),
        }
        return CLASSES.reconcile(CLASSES.view(caches, Key("", "a"), 0.0)) != NOTHING

    user = {"metadata": {"name": "x"}, "spec": {"volumeAttributesClassName": "a"}}
    assert [freed((), ()), freed((user,), ()), freed((), (user,))] == [True, False, False]


def test_a_claim_names_the_classes_that_it_wants_has_and_goes_to():
    status = {
        "currentVolumeAttributesClassName": "b",
        "modifyVolumeStatus": {"targetVolumeAttributesClassName": "c"},
    }
    found = {"spec": {"volumeAttributesClassName": "a"}, "status": status}
    assert classes_of(found) == {"a", "b", "c"}
    assert classes_of({"spec": {}}) == set()
