"""What a pod is filled up with."""

from typing import Any

import pytest

from roost.api.defaults.containers import pull_policy
from roost.api.defaults.pods import pod, pod_template
from roost.api.kind import Change

DIGEST = "@sha256:" + "a" * 64


def filled(spec: dict[str, Any]) -> dict[str, Any]:
    value = {"metadata": {"name": "p"}, "spec": {"containers": [], **spec}}
    pod(Change(value))
    result: dict[str, Any] = value["spec"]
    return result


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("nginx", "Always"),
        ("nginx:latest", "Always"),
        ("nginx:1.27", "IfNotPresent"),
        ("registry:5000/nginx", "Always"),
        ("registry:5000/nginx:1", "IfNotPresent"),
        (f"nginx{DIGEST}", "IfNotPresent"),
        (f"nginx:latest{DIGEST}", "Always"),
        ("", "IfNotPresent"),
        ("Not An Image", "IfNotPresent"),
        ("a" * 64, "IfNotPresent"),
    ],
)
def test_pull_policy_follows_the_tag(image: str, policy: str) -> None:
    assert pull_policy(image) == policy


def test_a_bare_pod_becomes_complete() -> None:
    spec = filled({"containers": [{"name": "c", "image": "i:1"}]})
    assert spec["restartPolicy"] == "Always"
    assert spec["dnsPolicy"] == "ClusterFirst"
    assert spec["terminationGracePeriodSeconds"] == 30
    assert spec["securityContext"] == {}
    assert spec["schedulerName"] == "default-scheduler"
    assert spec["enableServiceLinks"] is True
    assert spec["containers"] == [
        {
            "name": "c",
            "image": "i:1",
            "imagePullPolicy": "IfNotPresent",
            "resources": {},
            "terminationMessagePath": "/dev/termination-log",
            "terminationMessagePolicy": "File",
        }
    ]


def test_what_is_set_stays() -> None:
    before = {
        "restartPolicy": "Never",
        "dnsPolicy": "None",
        "terminationGracePeriodSeconds": 0,
        "schedulerName": "mine",
        "enableServiceLinks": False,
    }
    after = filled(dict(before))
    assert {key: after[key] for key in before} == before


def test_requests_come_from_limits() -> None:
    resources = {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}}
    spec = filled({"containers": [{"name": "c", "resources": resources}]})
    assert spec["containers"][0]["resources"]["requests"] == {"cpu": "500m", "memory": "1Gi"}


def test_ports_in_the_hosts_network_are_host_ports() -> None:
    ports = [{"containerPort": 80}]
    assert filled({"containers": [{"ports": ports}], "hostNetwork": True})["containers"][0][
        "ports"
    ] == [{"containerPort": 80, "hostPort": 80, "protocol": "TCP"}]


def test_probes() -> None:
    probe = {"httpGet": {"port": 80}}
    spec = filled({"containers": [{"livenessProbe": probe}]})
    assert spec["containers"][0]["livenessProbe"] == {
        "httpGet": {"port": 80, "path": "/", "scheme": "HTTP"},
        "timeoutSeconds": 1,
        "periodSeconds": 10,
        "successThreshold": 1,
        "failureThreshold": 3,
    }


def test_volumes() -> None:
    token = {"serviceAccountToken": {"path": "t"}}
    spec = filled(
        {
            "volumes": [
                {"name": "a", "secret": {"secretName": "s"}},
                {"name": "b", "hostPath": {"path": "/x"}},
                {"name": "c", "projected": {"sources": [token]}},
                {"name": "d"},
            ]
        }
    )
    assert spec["volumes"] == [
        {"name": "a", "secret": {"secretName": "s", "defaultMode": 420}},
        {"name": "b", "hostPath": {"path": "/x", "type": ""}},
        {
            "name": "c",
            "projected": {
                "defaultMode": 420,
                "sources": [{"serviceAccountToken": {"path": "t", "expirationSeconds": 3600}}],
            },
        },
        {"name": "d", "emptyDir": {}},
    ]


def test_filling_twice_changes_nothing() -> None:
    value: dict[str, Any] = {
        "metadata": {"name": "p"},
        "spec": {
            "containers": [{"name": "c", "resources": {"limits": {"cpu": "0.5m"}}}],
            "volumes": [{"name": "v", "configMap": {"name": "x"}}],
        },
    }
    pod(Change(value))
    once = repr(value)
    pod(Change(value))
    assert repr(value) == once


def test_annotations_that_init_containers_once_were_are_dropped() -> None:
    old = {f"pod.{stage}.kubernetes.io/init-containers": "[]" for stage in ("alpha", "beta")}
    value: dict[str, Any] = {
        "metadata": {"annotations": {**old, "a": "b"}},
        "spec": {"containers": []},
    }
    pod(Change(value))
    assert value["metadata"]["annotations"] == {"a": "b"}
    owner: dict[str, Any] = {"template": {"metadata": {"annotations": dict(old)}}}
    pod_template(owner)
    assert owner["template"]["metadata"] == {}


def test_a_negative_grace_period_is_a_second_for_pods_alone() -> None:
    assert filled({"terminationGracePeriodSeconds": -5})["terminationGracePeriodSeconds"] == 1
    assert filled({"terminationGracePeriodSeconds": 0})["terminationGracePeriodSeconds"] == 0
    owner: dict[str, Any] = {"template": {"spec": {"terminationGracePeriodSeconds": -5}}}
    pod_template(owner)
    assert owner["template"]["spec"]["terminationGracePeriodSeconds"] == -5
