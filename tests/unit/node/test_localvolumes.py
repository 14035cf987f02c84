"""Directories of volumes go with their volume, and for no other reason."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fakes.cluster import Cluster, NoChance
from fakes.timeless import run
from roost.api.values import Object
from roost.decisions.resources import PERSISTENT_VOLUMES
from roost.node.localvolumes import LocalVolumes, directory_of, to_remove

ROOT = "/data/volumes"
OURS = "roost.dev/local-path"


def volume(
    name: str = "v", host: str = "n1", *, going: bool = True, policy: str = "Delete", **more: Any
) -> Object:
    wanted = {"key": "kubernetes.io/hostname", "operator": "In", "values": [host]}
    affinity = {"required": {"nodeSelectorTerms": [{"matchExpressions": [wanted]}]}}
    metadata: Object = {
        "name": name,
        "uid": f"u-{name}",
        "annotations": {"pv.kubernetes.io/provisioned-by": OURS},
        "finalizers": [OURS, "other"],
    }
    if going:
        metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    spec = {
        "local": {"path": f"{ROOT}/{name}"},
        "nodeAffinity": affinity,
        "persistentVolumeReclaimPolicy": policy,
        **more,
    }
    return {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": metadata, "spec": spec}


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (volume(), True),
        (volume(going=False), False),
        (volume(host="n2"), False),
        (volume(local={"path": "/etc"}), False),
        (volume(local={"path": f"{ROOT}/v/.."}), False),
        (volume(hostPath={"path": f"{ROOT}/v"}, local=None), False),
    ],
)
def test_what_may_be_removed(found: Object, expected: bool) -> None:
    assert to_remove(found, ROOT, {"kubernetes.io/hostname": "n1"}, "n1") is expected


def test_a_volume_of_somebody_else_has_no_directory() -> None:
    other = volume()
    other["metadata"]["annotations"] = {}
    assert directory_of(other, ROOT) == ""


def test_the_finalizer_goes_after_the_directory() -> None:
    async def scenario() -> None:
        cluster, removed = Cluster(), []
        failures = [OSError("busy")]

        async def remove(path: str) -> None:
            if failures:
                raise failures.pop()
            removed.append(path)

        for one in (volume(), volume("kept", policy="Retain"), volume("used", going=False)):
            cluster.add(PERSISTENT_VOLUMES, one)
        task = asyncio.create_task(LocalVolumes(cluster, NoChance(), "n1", ROOT, remove).run())
        await asyncio.sleep(10)
        assert (failures, removed) == ([], [f"{ROOT}/v"])
        left = {v["metadata"]["name"]: v["metadata"] for v in cluster.all(PERSISTENT_VOLUMES)}
        assert left["v"]["finalizers"] == left["kept"]["finalizers"] == ["other"]
        assert left["used"]["finalizers"] == [OURS, "other"]
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    run(scenario())
