"""Claims of the default class: data outlives pods, and goes with its claim."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cluster_scene import Space, eventually

pytestmark = [pytest.mark.root, pytest.mark.kubectl, pytest.mark.slow]


def stateful_set(space: Space, script: str) -> dict[str, Any]:
    pod = space.pod("db", script)
    pod["spec"]["containers"][0]["volumeMounts"] = [{"name": "data", "mountPath": "/data"}]
    asked = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": "db"},
        "spec": {
            "serviceName": "db",
            "selector": {"matchLabels": {"app": "db"}},
            "template": {"metadata": {"labels": {"app": "db"}}, "spec": pod["spec"]},
            "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": asked}],
        },
    }


def test_data_outlives_the_pod_and_goes_with_the_claim(space: Space):
    script = "echo here >> /data/starts; sleep 1000000 & trap 'exit 0' TERM; wait"
    space.apply(stateful_set(space, script))
    eventually(lambda: space.get("pod", "db-0"), 20, "no pod")
    space.ready("db-0")
    claim = space.get("pvc", "data-db-0")
    assert claim["spec"]["storageClassName"] == "local-path"
    assert claim["status"]["capacity"] == {"storage": "1Gi"}
    name = claim["spec"]["volumeName"]
    folder = Path(space.cluster.data, "volumes", name)
    assert folder.stat().st_mode & 0o777 == 0o777
    assert (folder / "starts").read_text() == "here\n"
    assert {"ExternalProvisioning", "Provisioning", "ProvisioningSucceeded"} <= (
        space.events("data-db-0")
    )
    before = space.get("pod", "db-0")["metadata"]["uid"]
    space.kubectl("delete", "pod", "db-0")
    eventually(lambda: space.get("pod", "db-0").get("metadata", {}).get("uid", before) != before)
    space.ready("db-0")
    assert space.exec("db-0", "cat", "/data/starts") == "here\nhere\n"
    space.kubectl("delete", "statefulset", "db")
    space.kubectl("wait", "--for=delete", "pod/db-0", "--timeout=30s")
    assert folder.is_dir()
    space.kubectl("delete", "pvc", "data-db-0")
    eventually(lambda: not folder.exists(), 20, "the directory stays")
    eventually(lambda: not space.get("pv", name), 10, "the volume stays")


def test_a_claim_grows_at_once_and_two_kept_volumes_stay(space: Space):
    asked = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}}
    pod = space.pod("p", volumes=[{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}])
    pod["spec"]["containers"][0]["volumeMounts"] = [{"name": "v", "mountPath": "/v"}]
    claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "c"}}
    space.apply({**claim, "spec": asked}, pod)
    space.ready("p")
    name = space.get("pvc", "c")["spec"]["volumeName"]
    larger = '{"spec": {"resources": {"requests": {"storage": "2Mi"}}}}'
    space.kubectl("patch", "pvc", "c", "-p", larger)
    eventually(
        lambda: space.get("pvc", "c")["status"]["capacity"]["storage"] == "2Mi", 10, "no growth"
    )
    kept = '{"spec": {"persistentVolumeReclaimPolicy": "Retain"}}'
    space.kubectl("patch", "pv", name, "-p", kept)
    space.kubectl("delete", "pod/p", "pvc/c", "--grace-period=1")
    eventually(lambda: space.get("pv", name)["status"]["phase"] == "Released", 20, "not released")
    space.kubectl("delete", "pv", name)
    eventually(lambda: not space.get("pv", name), 20, "the volume stays")
    assert Path(space.cluster.data, "volumes", name).is_dir()
