"""[sig-node] of Kubernetes' conformance tests that need only the API, but those of devices."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from discovery import check_discovery
from e2eimages import NOWHERE
from framework import Framework
from kinds import (
    CONFIG_MAPS,
    LEASES,
    NODES,
    POD_TEMPLATES,
    PODS,
    RUNTIME_CLASSES,
    SECRETS,
)
from typedclient import MERGE, STRATEGIC, Refused, Thing, newer, until

pytestmark = pytest.mark.slow


def pod(name: str, **spec: Any) -> Thing:
    container = {"name": "main", "image": NOWHERE, **spec.pop("container", {})}
    return {"metadata": {"name": name}, "spec": {"containers": [container], **spec}}


def test_config_map_with_empty_key(f: Framework):
    """ConfigMap should fail to create ConfigMap with empty key"""
    # The programme's name is not valid either ("-emptyKey-").
    for name in (f"configmap-test-emptyKey-{uuid.uuid4()}", "configmap-test"):
        with pytest.raises(Refused) as refused:
            f.typed(CONFIG_MAPS).create({"metadata": {"name": name}, "data": {"": "value-1"}})
        assert refused.value.code == 422
        assert "data[]" in refused.value.message


def test_config_map_update(f: Framework):
    """ConfigMap should update ConfigMap successfully"""
    maps = f.typed(CONFIG_MAPS)
    value = {
        "metadata": {"name": "configmap-test", "namespace": f.namespace},
        "data": {"data-1": "value-1", "data-2": "value-2"},
    }
    maps.create(value)
    maps.update({**value, "data": {"data": "value"}})
    assert maps.get("configmap-test")["data"] == {"data": "value"}


def test_config_map_lifecycle(f: Framework):
    """ConfigMap should run through a ConfigMap lifecycle"""
    maps = f.typed(CONFIG_MAPS)
    label = f"map-{f.unique}"
    maps.create(
        {"metadata": {"name": "m", "labels": {label: "true"}}, "data": {"valueName": "value"}}
    )
    assert maps.get("m")["data"] == {"valueName": "value"}
    maps.patch(
        "m", {"metadata": {"labels": {"patched": f.unique}}, "data": {"valueName": "value1"}}
    )
    [found] = f.typed(CONFIG_MAPS, "").items(f"patched={f.unique}")
    assert found["metadata"]["namespace"] == f.namespace
    assert found["metadata"]["labels"] == {label: "true", "patched": f.unique}
    assert found["data"] == {"valueName": "value1"}
    maps.delete_collection(f"{label}=true")
    assert maps.items(f"{label}=true") == []


def test_secret_with_empty_key(f: Framework):
    """Secrets should fail to create secret due to empty secret key"""
    with pytest.raises(Refused) as refused:
        f.typed(SECRETS).create({"metadata": {"name": "s"}, "data": {"": "dmFsdWUtMQ=="}})
    assert refused.value.code == 422


def test_secret_patch(f: Framework):
    """Secrets should patch a secret"""
    secrets = f.typed(SECRETS)
    secrets.create(
        {
            "metadata": {"name": "s", "labels": {"testsecret-constant": "true"}},
            "data": {"key": "dmFsdWU="},
            "type": "Opaque",
        }
    )
    everywhere = f.typed(SECRETS, "")
    listed = everywhere.items("testsecret-constant=true")
    assert [item["data"]["key"] for item in listed if item["metadata"]["name"] == "s"]
    # What Go makes of a v1.Secret with labels and data.
    patch = {"metadata": {"labels": {"testsecret": "true"}}, "data": {"key": "dmFsdWUx"}}
    secrets.patch("s", patch, STRATEGIC)
    patched = secrets.get("s")
    assert patched["metadata"]["labels"]["testsecret"] == "true"
    assert patched["data"] == {"key": "dmFsdWUx"}
    secrets.delete_collection("testsecret=true")
    assert secrets.items("testsecret=true") == []


def test_lease(f: Framework):
    """Lease lease API should be available"""
    leases = f.typed(LEASES)

    def spec(holder: str, seconds: int, acquired: int, renewed: int, changes: int) -> Thing:
        # Times near Go's zero, which are negative on the wire.
        return {
            "holderIdentity": holder,
            "leaseDurationSeconds": seconds,
            "acquireTime": f"0001-01-01T00:00:{acquired:02d}.000000Z",
            "renewTime": f"0001-01-01T00:01:{renewed:02d}.000000Z",
            "leaseTransitions": changes,
        }

    first = spec("holder", 30, 2, 5, 0)
    made = leases.create({"metadata": {"name": "lease"}, "spec": first})
    assert leases.get("lease")["spec"] == first
    made["spec"] = spec("holder2", 30, 20, 50, 1)
    leases.update(made)
    assert leases.get("lease")["spec"] == made["spec"]
    third = spec("holder3", 60, 50, 10, 2)
    leases.patch("lease", {"spec": third})
    assert leases.get("lease")["spec"] == third
    labels = {"deletecollection": "true"}
    leases.create({"metadata": {"name": "lease2", "labels": labels}, "spec": first})
    assert len(leases.items()) == 2
    leases.delete_collection("deletecollection=true")
    assert len(leases.items()) == 1
    leases.delete("lease")
    assert not leases.exists("lease")
    assert f.typed(LEASES, "").items()


def test_node_lifecycle(f: Framework):
    """Node Lifecycle should run through the lifecycle of a node"""
    nodes, name = f.typed(NODES), f"e2e-fake-node-{f.unique[-4:]}"
    ready = {"type": "Ready", "status": "True", "reason": "E2E", "message": "Set from e2e test"}
    made = nodes.create(
        {
            "metadata": {"name": name},
            "spec": {"unschedulable": True},
            "status": {"phase": "Running", "conditions": [ready]},
        }
    )
    assert nodes.get(name)["metadata"]["name"] == name
    patched = nodes.patch(name, {"metadata": {"labels": {name: "patched"}}})
    assert patched["metadata"]["labels"][name] == "patched"
    assert newer(patched, made)
    assert len(nodes.items(f"{name}=patched")) == 1
    updated = nodes.retry(name, lambda o: o["metadata"]["labels"].update({name: "updated"}))
    assert updated["metadata"]["labels"][name] == "updated"
    nodes.delete(name)
    until(lambda: not nodes.exists(name))


def test_pod_template_lifecycle(f: Framework):
    """PodTemplates should run the lifecycle of PodTemplates"""
    templates, everywhere = f.typed(POD_TEMPLATES), f.typed(POD_TEMPLATES, "")
    chosen = f"podtemplate-static={f.unique}"
    assert everywhere.items(chosen) == []
    name = f"nginx-pod-template-{uuid.uuid4()}"
    templates.create(
        {
            "metadata": {"name": name, "labels": {"podtemplate-static": f.unique}},
            "template": {"spec": {"containers": [{"name": "nginx", "image": "nginx"}]}},
        }
    )
    assert templates.get(name)["metadata"]["name"] == name
    templates.patch(name, {"metadata": {"labels": {"podtemplate": "patched"}}})
    assert templates.get(name)["metadata"]["labels"]["podtemplate"] == "patched"
    templates.delete(name)
    assert everywhere.items(chosen) == []


def test_pod_template_collection(f: Framework):
    """PodTemplates should delete a collection of pod templates"""
    templates = f.typed(POD_TEMPLATES)
    for number in (1, 2, 3):
        templates.create(
            {
                "metadata": {
                    "name": f"test-podtemplate-{number}",
                    "labels": {"podtemplate-set": "true"},
                },
                "template": {"spec": {"containers": [{"name": "token-test", "image": "a"}]}},
            }
        )
    assert len(templates.items("podtemplate-set=true")) == 3
    templates.delete_collection("podtemplate-set=true")
    until(lambda: not templates.items("podtemplate-set=true"))


def test_pod_template_replace(f: Framework):
    """PodTemplates should replace a pod template"""
    templates = f.typed(POD_TEMPLATES)
    template = {"spec": {"containers": [{"name": "test-template", "image": "a"}]}}
    made = templates.create(
        {
            "metadata": {"name": "t", "annotations": {"created": "true"}},
            "template": {"metadata": {"labels": {"a": "b"}}, **template},
        }
    )
    assert made["metadata"]["annotations"] == {"created": "true"}
    updated = templates.retry("t", lambda o: o["metadata"]["annotations"].update(updated="true"))
    assert updated["metadata"]["annotations"]["updated"] == "true"
    assert newer(updated, made)


def test_qos_class(f: Framework):
    """Pods Extended Pods Set QOS Class should be set on Pods with matching requests and limits"""
    size = {"cpu": "100m", "memory": "100Mi"}
    both = {"resources": {"limits": size, "requests": size}}
    f.typed(PODS).create(pod("qos", container=both))
    assert f.typed(PODS).get("qos")["status"]["qosClass"] == "Guaranteed"


def rejected(f: Framework, runtime_class: str) -> bool:
    try:
        value = pod("test-runtimeclass", runtimeClassName=runtime_class)
        value["metadata"] = {"generateName": "test-runtimeclass-"}
        f.typed(PODS).create(value, dryRun="All")
    except Refused as refused:
        return (refused.code, refused.reason) == (403, "Forbidden")
    return False


def test_runtime_class_that_is_not_there(f: Framework):
    """RuntimeClass should reject a Pod requesting a non-existent RuntimeClass"""
    assert rejected(f, f"{f.namespace}-nonexistent")


def test_runtime_class_that_is_deleted(f: Framework):
    """RuntimeClass should reject a Pod requesting a deleted RuntimeClass"""
    classes, name = f.typed(RUNTIME_CLASSES), f"{f.namespace}-delete-me"
    classes.create({"metadata": {"name": name}, "handler": "runc"})
    classes.delete(name)
    until(lambda: not classes.exists(name))
    until(lambda: rejected(f, name))


@pytest.mark.parametrize("overhead", [{}, {"cpu": "10m", "memory": "1Mi"}])
def test_runtime_class_and_overhead(f: Framework, overhead: dict[str, str]):
    """RuntimeClass should schedule a Pod requesting a RuntimeClass (without PodOverhead, and
    initialize its Overhead)"""
    classes, name = f.typed(RUNTIME_CLASSES), f"{f.namespace}-preconfigured-handler"
    made: Thing = {"metadata": {"name": name}, "handler": "test-handler"}
    if overhead:
        made["overhead"] = {"podFixed": overhead}
    classes.create(made)
    value = pod(
        "p", runtimeClassName=name, restartPolicy="Never", automountServiceAccountToken=False
    )
    value["metadata"] = {"generateName": f"test-runtimeclass-{name}-"}
    f.typed(PODS).create(value)

    def scheduled() -> Thing | None:
        [found] = f.typed(PODS).items()
        return found if found["spec"].get("nodeName") else None

    assert until(scheduled)["spec"].get("overhead", {}) == overhead
    classes.delete(name)


def test_runtime_class_operations(f: Framework):
    """RuntimeClass should support RuntimeClasses API operations"""
    classes, chosen = f.typed(RUNTIME_CLASSES), f"test={f.unique}"
    check_discovery(f.client, "node.k8s.io/v1", "runtimeclasses")

    def made(number: int) -> Thing:
        return {
            "metadata": {"name": f"{f.unique}-handler{number}", "labels": {"test": f.unique}},
            "handler": f"{f.unique}-conformance-{number}",
        }

    first = classes.create(made(1))
    with pytest.raises(Refused) as twice:
        classes.create(made(1))
    assert twice.value.reason == "AlreadyExists"
    classes.create(made(2))
    with classes.watch(chosen) as watch:
        classes.create(made(3))
        name = first["metadata"]["name"]
        assert classes.get(name)["metadata"]["uid"] == first["metadata"]["uid"]
        assert len(classes.items(chosen)) == 3
        patched = classes.patch(name, {"metadata": {"annotations": {"patched": "true"}}}, MERGE)
        patched["metadata"]["annotations"]["updated"] = "true"
        assert classes.update(patched)["metadata"]["annotations"]["updated"] == "true"
        assert [watch.next()[0] for _ in range(5)] == ["ADDED"] * 3 + ["MODIFIED"] * 2
    classes.delete(name)
    assert not classes.exists(name)
    assert len(classes.items(chosen)) == 2
    classes.delete_collection(chosen)
    assert classes.items(chosen) == []


def test_invalid_sysctls(f: Framework):
    """Sysctls should reject invalid sysctls"""
    values = {"foo-": "bar", "kernel.shmmax": "100000000", "safe-and-unsafe": "100000000",
              "bar..": "42"}  # fmt: skip
    sysctls = [{"name": name, "value": value} for name, value in values.items()]
    with pytest.raises(Refused) as refused:
        f.typed(PODS).create(pod("sysctl", securityContext={"sysctls": sysctls}))
    for wrong in ("foo-", "bar.."):
        assert f'Invalid value: "{wrong}"' in refused.value.message
    for right in ("safe-and-unsafe", "kernel.shmmax"):
        assert right not in refused.value.message
