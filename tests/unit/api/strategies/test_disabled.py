"""Fields of closed gates are dropped, unless they were there before."""

from typing import Any

import pytest

from roost.api.kind import Change
from roost.api.strategies import batch, storage, workloads
from roost.api.strategies.disabled import drop_of_pod


def pod() -> dict[str, Any]:
    return {
        "schedulingGroup": {"podGroupName": "g"},
        "containers": [{"name": "c", "lifecycle": {"stopSignal": "SIGHUP"}}],
        "volumes": [
            {"projected": {"sources": [{"podCertificate": {"signerName": "s"}}, {"secret": {}}]}}
        ],
    }


DROPPED = {
    "containers": [{"name": "c"}],
    "volumes": [{"projected": {"sources": [{}, {"secret": {}}]}}],
}


def test_of_a_pod() -> None:
    spec = pod()
    drop_of_pod(spec, {})
    assert spec == DROPPED
    spec = pod()
    drop_of_pod(spec, pod())
    assert spec == pod()


@pytest.mark.parametrize(
    ("strategy", "path"),
    [
        (workloads.DEPLOYMENT, ("spec", "template")),
        (workloads.DAEMON_SET, ("spec", "template")),
        (workloads.STATEFUL_SET, ("spec", "template")),
        (workloads.REPLICA_SET, ("spec", "template")),
        (workloads.POD_TEMPLATE, ("template",)),
        (batch.JOB, ("spec", "template")),
        (batch.CRON_JOB, ("spec", "jobTemplate", "spec", "template")),
    ],
)
def test_of_templates(strategy: Any, path: tuple[str, ...]) -> None:
    value: dict[str, Any] = {"spec": pod()}
    for key in reversed(path):
        value = {key: value}
    value["metadata"] = {"name": "x", "uid": "u"}
    strategy(Change(value))
    for key in path:
        value = value[key]
    assert value["spec"] == DROPPED


def test_of_a_stateful_set() -> None:
    def one(**rolling: Any) -> dict[str, Any]:
        strategy = {"type": "RollingUpdate", "rollingUpdate": {"partition": 1, **rolling}}
        return {"metadata": {"name": "x"}, "spec": {"updateStrategy": strategy, "template": {}}}

    made = one(maxUnavailable=2)
    workloads.STATEFUL_SET(Change(made))
    assert made["spec"] == one()["spec"]
    kept = one(maxUnavailable=2)
    workloads.STATEFUL_SET(Change(kept, one(maxUnavailable=3)))
    assert kept["spec"] == one(maxUnavailable=2)["spec"]


SNAPSHOT = {"apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": "s"}
OTHER = {"apiGroup": "g.io", "kind": "K", "name": "s"}


@pytest.mark.parametrize(
    ("spec", "kept"),
    [
        ({"dataSource": SNAPSHOT}, {"dataSource": SNAPSHOT, "dataSourceRef": SNAPSHOT}),
        ({"dataSource": OTHER}, {}),
        ({"dataSourceRef": OTHER}, {"dataSource": OTHER, "dataSourceRef": OTHER}),
        ({"dataSourceRef": {**OTHER, "namespace": "n"}}, {}),
    ],
)
def test_sources_of_claims(spec: dict[str, Any], kept: dict[str, Any]) -> None:
    claim = {"metadata": {"name": "x"}, "spec": dict(spec)}
    storage.PERSISTENT_VOLUME_CLAIM(Change(claim))
    assert claim["spec"] == kept
