"""[sig-storage] of Kubernetes' conformance tests that need only the API."""

from __future__ import annotations

import contextlib
import uuid
from typing import Any

import pytest
from discovery import check_discovery
from e2eimages import NOWHERE
from framework import Framework
from kinds import (
    ATTACHMENTS,
    ATTRIBUTES_CLASSES,
    CAPACITIES,
    CONFIG_MAPS,
    CSI_DRIVERS,
    CSI_NODES,
    NODES,
    PODS,
    PVCS,
    PVS,
    SECRETS,
    STORAGE_CLASSES,
)
from typedclient import MERGE, STRATEGIC, Refused, Resource, Thing, newer, until

pytestmark = pytest.mark.slow


def patch_label(resource: Resource, name: str, kind: str = STRATEGIC) -> Thing:
    patched = resource.patch(name, {"metadata": {"labels": {name: "patched"}}}, kind)
    assert patched["metadata"]["labels"][name] == "patched"
    return patched


def run_lifecycle(resource: Resource, first: Thing, second: Thing, kind: str = STRATEGIC) -> None:
    """Create, get, patch, list, delete; create again, update, delete as a collection."""
    made = resource.create(first)
    name = made["metadata"]["name"]
    assert resource.get(name)["metadata"]["uid"] == made["metadata"]["uid"]
    assert newer(patch_label(resource, name, kind), made)
    assert len(resource.items(f"{name}=patched")) == 1
    resource.delete(name)
    until(lambda: not resource.items(f"{name}=patched"))
    name = resource.create(second)["metadata"]["name"]
    updated = resource.retry(name, lambda o: o["metadata"].update(labels={name: "updated"}))
    assert updated["metadata"]["labels"] == {name: "updated"}
    assert len(resource.items(f"{name}=updated")) == 1
    resource.delete_collection(f"{name}=updated")
    until(lambda: not resource.items(f"{name}=updated"))


def test_csi_volume_source_in_pods(f: Framework):
    """CSIInlineVolumes should support CSIVolumeSource in Pod API"""
    pods, name, driver = f.typed(PODS), "pod-csi-inline-volumes", "e2e.example.com"
    pod = {
        "metadata": {"name": name},
        "spec": {
            "volumes": [
                {"name": "v1", "csi": {"driver": driver}},
                {"name": "v2", "csi": {"driver": driver, "fsType": "ext4", "readOnly": True}},
            ],
            "containers": [
                {
                    "name": name,
                    "image": NOWHERE,
                    "command": ["sh", "-c", "ls /mnt/*"],
                    "volumeMounts": [
                        {"name": "v1", "mountPath": "/mnt/vol1"},
                        {"name": "v2", "mountPath": "/mnt/vol2"},
                    ],
                }
            ],
        },
    }
    made = pods.create(pod)
    with pytest.raises(Refused) as twice:
        pods.create(pod)
    assert (twice.value.code, twice.value.reason) == (409, "AlreadyExists")
    assert pods.get(name)["metadata"]["uid"] == made["metadata"]["uid"]
    assert len(pods.items()) == 1
    patched = pods.patch(name, {"metadata": {"annotations": {"patched": "true"}}}, MERGE)
    assert patched["metadata"]["annotations"]["patched"] == "true"
    pods.delete(name)
    with contextlib.suppress(Refused):  # it may be gone
        assert pods.get(name)["metadata"]["deletionTimestamp"]


def test_csi_driver_lifecycle(f: Framework):
    """CSIInlineVolumes should run through the lifecycle of a CSIDriver"""
    drivers, label = f.typed(CSI_DRIVERS), {"e2e-test": f.unique}
    names = [f"inline-driver-{uuid.uuid4()}" for _ in range(2)]
    for name, modes in zip(names, (["Ephemeral"], ["Persistent", "Ephemeral"]), strict=True):
        drivers.create(
            {
                "metadata": {"name": name, "labels": label},
                "spec": {
                    "volumeLifecycleModes": modes,
                    "fsGroupPolicy": "ReadWriteOnceWithFSType",
                },
            }
        )
    with pytest.raises(Refused) as twice:
        drivers.create({"metadata": {"name": names[0]}, "spec": {}})
    assert twice.value.reason == "AlreadyExists"
    patch_label(drivers, names[1])
    updated = drivers.retry(
        names[1], lambda o: o["metadata"]["labels"].update({names[1]: "updated"})
    )
    assert updated["metadata"]["labels"][names[1]] == "updated"
    assert len(drivers.items(f"e2e-test={f.unique}")) == 2
    drivers.delete(names[0])
    assert not drivers.exists(names[0])
    drivers.delete_collection(f"{names[1]}=updated")
    assert not drivers.exists(names[1])


def test_csi_node_lifecycle(f: Framework):
    """CSINodes CSI Conformance should run through the lifecycle of a csinode"""

    def node(name: str) -> Thing:
        driver = {"name": "e2e-csi-" + name, "nodeID": name, "topologyKeys": ["company.com/zone"]}
        return {"metadata": {"name": name}, "spec": {"drivers": [driver]}}

    run_lifecycle(f.typed(CSI_NODES), node(f"e2e-{f.unique}-1"), node(f"e2e-{f.unique}-2"))


def test_storage_class_lifecycle(f: Framework):
    """StorageClasses CSI Conformance should run through the lifecycle of a StorageClass"""

    def made(prefix: str) -> Thing:
        return {
            "kind": "StorageClass",
            "metadata": {"generateName": prefix},
            "provisioner": "e2e-fake-provisioner",
            "reclaimPolicy": "Delete",
            "volumeBindingMode": "Immediate",
        }

    run_lifecycle(f.typed(STORAGE_CLASSES), made("e2e-"), made("e2e-v2-"))


def test_volume_attributes_class_lifecycle(f: Framework):
    """VolumeAttributesClass should run through the lifecycle of a VolumeAttributesClass"""

    def made(prefix: str) -> Thing:
        return {
            "metadata": {"generateName": prefix},
            "driverName": "e2e-fake-csi-driver",
            "parameters": {"foo": "bar"},
        }

    run_lifecycle(f.typed(ATTRIBUTES_CLASSES), made("e2e-"), made("e2e-v2-"))


def attachment(f: Framework, number: int) -> Thing:
    node = f.typed(NODES).items()[0]["metadata"]["name"]
    name = f"va-{f.unique}-{number}"
    return {
        "metadata": {"name": name, "uid": name},
        "spec": {
            "attacher": "e2e-test.storage.k8s.io",
            "nodeName": node,
            "source": {"persistentVolumeName": f"pv-{f.unique}-{number}"},
        },
    }


def test_volume_attachment_lifecycle(f: Framework):
    """VolumeAttachment Conformance should run through the lifecycle of a VolumeAttachment"""
    run_lifecycle(f.typed(ATTACHMENTS), attachment(f, 1), attachment(f, 2), MERGE)


def test_volume_attachment_status(f: Framework):
    """VolumeAttachment Conformance should apply changes to a volumeattachment status"""
    attachments = f.typed(ATTACHMENTS)
    name = attachments.create(attachment(f, 1))["metadata"]["name"]
    patch_label(attachments, name, MERGE)
    read = f.dynamic(ATTACHMENTS).get(name, "status")
    assert read["status"]["attached"] is False
    patched = attachments.patch(name, {"status": {"attached": True}}, MERGE, "status")
    assert patched["status"]["attached"] is True
    updated = attachments.retry(name, lambda o: o["status"].update(attached=False), "status")
    assert not updated["status"].get("attached")
    attachments.delete(name)
    until(lambda: not attachments.items(f"{name}=patched"))


def test_storage_capacities(f: Framework):
    """CSIStorageCapacity should support CSIStorageCapacities API operations"""
    capacities, everywhere = f.typed(CAPACITIES), f.typed(CAPACITIES, "")
    check_discovery(f.client, "storage.k8s.io/v1", "csistoragecapacities")
    chosen = f"test={f.unique}"

    def made(number: int) -> Thing:
        return {
            "metadata": {"name": f"{f.unique}-csc{number}", "labels": {"test": f.unique}},
            "storageClassName": "e2e.example.com",
        }

    first = capacities.create(made(1))
    with pytest.raises(Refused) as twice:
        capacities.create(made(1))
    assert twice.value.reason == "AlreadyExists"
    capacities.create(made(2))
    with capacities.watch(chosen) as inside, everywhere.watch(chosen) as across:
        capacities.create(made(3))
        name = first["metadata"]["name"]
        assert capacities.get(name)["metadata"]["uid"] == first["metadata"]["uid"]
        assert len(capacities.items(chosen)) == len(everywhere.items(chosen)) == 3
        patched = capacities.patch(name, {"metadata": {"annotations": {"patched": "true"}}}, MERGE)
        patched["metadata"]["annotations"]["updated"] = "true"
        assert capacities.update(patched)["metadata"]["annotations"]["updated"] == "true"
        for watch in (inside, across):
            assert [watch.next()[0] for _ in range(5)] == ["ADDED"] * 3 + ["MODIFIED"] * 2
    capacities.delete(name)
    assert not capacities.exists(name)
    assert len(capacities.items(chosen)) == 2
    capacities.delete_collection(chosen)
    assert capacities.items(chosen) == []


def volumes(f: Framework) -> tuple[Thing, Thing]:
    """Return a volume and a claim as the programme makes them."""
    volume: dict[str, Any] = {
        "metadata": {
            "generateName": f"{f.namespace}-",
            "labels": {"e2e-pv-pool": f.namespace},
            "annotations": {"volume.beta.kubernetes.io/gid": "777"},
        },
        "spec": {
            "persistentVolumeReclaimPolicy": "Retain",
            "capacity": {"storage": "2Gi"},
            "csi": {"driver": f"inline-driver-{uuid.uuid4()}", "volumeHandle": "e2e-conformance"},
            "accessModes": ["ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany"],
            "storageClassName": f.namespace,
        },
    }
    claim: dict[str, Any] = {
        "metadata": {"generateName": "pvc-", "namespace": f.namespace},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "2Gi"}},
            "storageClassName": f.namespace,
        },
    }
    return volume, claim


def test_volume_and_claim_lifecycle(f: Framework):
    """PersistentVolumes CSI Conformance should run through the lifecycle of a PV and a PVC"""
    pvs, pvcs, pool = f.typed(PVS), f.typed(PVCS), f"e2e-pv-pool={f.namespace}"
    volume, claim = volumes(f)
    pvs.create(volume)
    pvcs.create(claim)
    [pv], [pvc] = pvs.items(pool), pvcs.items()
    for resource, item in ((pvs, pv), (pvcs, pvc)):
        assert newer(patch_label(resource, item["metadata"]["name"]), item)
        uid = resource.get(item["metadata"]["name"])["metadata"]["uid"]
        assert uid == item["metadata"]["uid"]
    pvcs.delete(pvc["metadata"]["name"])
    until(lambda: not pvcs.items())
    pvs.delete(pv["metadata"]["name"])
    until(lambda: not pvs.items(pool))
    pv_name = pvs.create(volume)["metadata"]["name"]
    pvc_name = pvcs.create(claim)["metadata"]["name"]
    updated = pvs.retry(pv_name, lambda o: o["metadata"]["labels"].update({pv_name: "updated"}))
    assert updated["metadata"]["labels"][pv_name] == "updated"
    updated = pvcs.retry(pvc_name, lambda o: o["metadata"].update(labels={pvc_name: "updated"}))
    assert updated["metadata"]["labels"][pvc_name] == "updated"
    assert len(f.typed(PVCS, "").items(f"{pvc_name}=updated")) == 1
    pvcs.delete_collection(f"{pvc_name}=updated")
    until(lambda: not pvcs.items(f"{pvc_name}=updated"))
    pvs.delete_collection(f"{pv_name}=updated")
    until(lambda: not pvs.items(f"{pv_name}=updated"))


def test_volume_and_claim_status(f: Framework):
    """PersistentVolumes CSI Conformance should apply changes to a pv/pvc status"""
    pvs, pvcs = f.typed(PVS), f.typed(PVCS)
    volume, claim = volumes(f)
    pv = pvs.create(volume)["metadata"]["name"]
    pvc = pvcs.create(claim)["metadata"]["name"]
    assert f.dynamic(PVCS).get(pvc, "status")["status"]["phase"] in ("Pending", "Bound")
    phase = f.dynamic(PVS).get(pv, "status")["status"]["phase"]
    assert phase in ("Available", "Bound", "Pending")
    condition = {"status": "True", "message": "Set from e2e test"}
    patched = {"type": "StatusPatched", "reason": "E2E patchedStatus", **condition}
    answer = pvcs.patch(pvc, {"status": {"conditions": [patched]}}, MERGE, "status")
    assert patched.items() <= answer["status"]["conditions"][0].items()
    said = {"message": "StatusPatched", "reason": "E2E patchStatus"}
    assert said.items() <= pvs.patch(pv, {"status": said}, MERGE, "status")["status"].items()
    more = {"type": "StatusUpdated", "reason": "E2E updateStatus", **condition}
    answer = pvcs.retry(pvc, lambda o: o["status"]["conditions"].append(more), "status")
    assert more.items() <= answer["status"]["conditions"][-1].items()
    said = {"message": "StatusUpdated", "reason": "E2E updateStatus"}
    answer = pvs.retry(pv, lambda o: o["status"].update(said), "status")
    assert said.items() <= answer["status"].items()
    pvcs.delete(pvc)
    pvs.delete(pv)


@pytest.mark.parametrize("kind", [CONFIG_MAPS, SECRETS])
def test_immutable_if_set(f: Framework, kind: Any):
    """ConfigMap, Secrets should be immutable if `immutable` field is set"""
    resource = f.typed(kind)
    values = ["dmFsdWUtMQ==", "dmFsdWUtMg=="] if kind is SECRETS else ["value-1", "value-2"]
    made = resource.create({"metadata": {"name": "immutable"}, "data": {"data-1": values[0]}})
    current = resource.update({**made, "data": {"data-4": values[1]}})
    assert current["data"] == {"data-4": values[1]}
    current = resource.update({**current, "immutable": True})
    for wrong in (
        {**current, "data": {"data-5": values[0]}},
        {**current, "immutable": False},
        {key: item for key, item in current.items() if key != "immutable"},
    ):
        with pytest.raises(Refused) as refused:
            resource.update(wrong)
        assert (refused.value.code, refused.value.reason) == (422, "Invalid")
    labelled = resource.get("immutable")
    labelled["metadata"]["labels"] = {"label1": "value1"}
    assert resource.update(labelled)["metadata"]["labels"] == {"label1": "value1"}
    resource.delete("immutable")
