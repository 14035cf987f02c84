"""NodeRestriction: what is a node's own."""

from __future__ import annotations

import pytest

from roost.api.errors import Forbidden
from roost.apiserver.admission.nodefeatures import NodeDeclaredFeatureValidator
from roost.apiserver.admission.noderestriction import NodeRestriction
from roost.apiserver.attributes import User

NODE = User("system:node:n", ("system:nodes",))


@pytest.fixture
def fault(run, asked):
    def send(path: str, obj: dict | None, **more) -> str:
        try:
            run(NodeRestriction(), asked(path, obj, user=NODE, **more))
        except Forbidden as error:
            return error.message.partition(": ")[2]
        return ""

    return send


def node(name: str = "n", *, labels: dict | None = None, taints: list | None = None) -> dict:
    return {"metadata": {"name": name, "labels": labels or {}}, "spec": {"taints": taints or []}}


def test_others_are_not_restricted(run, asked):
    run(NodeRestriction(), asked("nodes", node("m"), user=User("admin")))
    run(NodeRestriction(), asked("nodes", node("m"), user=User("system:node:n")))  # no group


def test_nodes(fault):
    assert fault("nodes", node()) == ""
    assert fault("nodes", node("m")) == 'node "n" is not allowed to modify node "m"'
    changed = {"operation": "UPDATE", "old": node()}
    assert fault("nodes", node(labels={"a": "b", "kubernetes.io/arch": "x"}), **changed) == ""
    assert fault("nodes", node(labels={"node-restriction.kubernetes.io/x": "y"}), **changed) == (
        "is not allowed to modify labels: node-restriction.kubernetes.io/x"
    )
    assert fault("nodes", node(taints=[{"key": "a"}]), **changed) == (
        'node "n" is not allowed to modify taints'
    )
    assert fault("nodes", node(labels={"node.kubernetes.io/x": "y"}), **changed) == ""
    assert fault("nodes", node(labels={"node-role.kubernetes.io/control-plane": ""})) == (
        'node "n" is not allowed to set the following labels: node-role.kubernetes.io/control-plane'
    )


def test_mirror_pods(fault, pod, objects):
    objects.put("nodes", {"metadata": {"name": "n", "uid": "n-1"}})
    plain = pod(nodeName="n")
    assert fault("pods", plain) == (
        'pod does not have "kubernetes.io/config.mirror" annotation, node "n" can only create'
        " mirror pods"
    )
    plain["metadata"]["annotations"] = {"kubernetes.io/config.mirror": "x"}
    assert fault("pods", plain) == (
        'node "n" can only create pods with an owner reference set to itself'
    )
    owner = {"apiVersion": "v1", "kind": "Node", "name": "n", "uid": "n-1", "controller": True}
    plain["metadata"]["ownerReferences"] = [owner]
    assert fault("pods", plain) == ""
    plain["spec"]["nodeName"] = "m"
    assert "spec.nodeName set to itself" in fault("pods", plain)
    plain["spec"]["nodeName"] = "n"
    plain["spec"]["volumes"] = [{"name": "s", "secret": {"secretName": "s"}}]
    assert fault("pods", plain) == 'node "n" can not create pods that reference secrets'


def test_pods_of_others(fault, pod):
    own, foreign = pod(nodeName="n"), pod(nodeName="m")
    status = {"operation": "UPDATE", "subresource": "status"}
    assert fault("pods", own, old=own, **status) == ""
    assert fault("pods", foreign, old=foreign, **status) == (
        'node "n" can only update pod status for pods with spec.nodeName set to itself'
    )
    labelled = {**own, "metadata": {**own["metadata"], "labels": {"a": "b"}}}
    assert fault("pods", labelled, old=own, **status) == (
        'node "n" cannot update labels through pod status'
    )
    assert fault("pods", None, operation="DELETE", old=own) == ""
    assert fault("pods", None, operation="DELETE", old=foreign) == (
        'node "n" can only delete pods with spec.nodeName set to itself'
    )


def test_tokens_are_for_pods_of_the_node(fault, objects, pod):
    def token(**reference) -> str:
        body = {"spec": {"boundObjectRef": reference}}
        return fault("serviceaccounts", body, subresource="token", name="default")

    assert token() == "node requested token not bound to a pod"
    own = {"apiVersion": "v1", "kind": "Pod", "name": "p"}
    assert token(**own) == "node requested token with a pod binding without a uid"
    running = objects.put("pods", pod(nodeName="m"))
    running["metadata"]["uid"] = "p-1"
    assert "different node" in token(**own, uid="p-1")
    running["spec"]["nodeName"] = "n"
    assert "does not match the UID" in token(**own, uid="p-2")
    assert token(**own, uid="p-1") == 'audience "" not found in pod spec volume'
    source = {"serviceAccountToken": {"path": "token"}}
    running["spec"]["volumes"] = [{"name": "t", "projected": {"sources": [source]}}]
    assert token(**own, uid="p-1") == ""


def test_tokens_for_other_audiences_need_a_volume_that_asks(fault, objects, pod):
    running = objects.put("pods", pod(nodeName="n"))
    running["metadata"]["uid"] = "p-1"
    own = {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "p-1"}

    def token(*audiences: str) -> str:
        body = {"spec": {"boundObjectRef": own, "audiences": list(audiences)}}
        return fault("serviceaccounts", body, subresource="token", name="default")

    assert token("a", "b") == "node may only request 0 or 1 audiences"
    assert token("vault") == 'audience "vault" not found in pod spec volume'
    source = {"serviceAccountToken": {"path": "t", "audience": "vault"}}
    running["spec"]["volumes"] = [{"name": "t", "projected": {"sources": [source]}}]
    assert token("vault") == ""
    running["spec"]["volumes"] = [{"name": "d", "persistentVolumeClaim": {"claimName": "c"}}]
    metadata = {"name": "c", "namespace": "ns"}
    objects.put("persistentvolumeclaims", {"metadata": metadata, "spec": {"volumeName": "v"}})
    objects.put("persistentvolumes", {"metadata": {"name": "v"}, "spec": {"csi": {"driver": "d"}}})
    assert "not found" in token("vault")
    requests = [{"audience": "vault"}]
    objects.put("csidrivers", {"metadata": {"name": "d"}, "spec": {"tokenRequests": requests}})
    assert token("vault") == ""


def test_leases_and_the_rest(fault):
    lease = {"metadata": {"name": "other"}}
    path = "coordination.k8s.io/leases"
    assert fault(path, lease, namespace="kube-node-lease") == (
        "can only access node lease with the same name as the requesting node"
    )
    assert fault(path, {"metadata": {"name": "n"}}, namespace="kube-node-lease") == ""
    assert "system namespace" in fault(path, {"metadata": {"name": "n"}})
    assert "CSINode" in fault("storage.k8s.io/csinodes", lease)
    assert "ResourceSlice" in fault("resource.k8s.io/resourceslices", {"spec": {"nodeName": "m"}})


def test_a_pod_is_resized_on_a_node_that_is_known(run, asked, pod, objects):
    old, new = pod(nodeName="n"), pod(nodeName="n")
    new["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "1"}}
    more = {"operation": "UPDATE", "old": old, "subresource": "resize"}
    with pytest.raises(Forbidden) as error:
        run(NodeDeclaredFeatureValidator(), asked("pods", new, **more))
    assert error.value.message == 'pods "p" is forbidden: node "n" not found'
    run(NodeDeclaredFeatureValidator(), asked("pods", old, **more))  # nothing changes
    objects.put("nodes", node())
    run(NodeDeclaredFeatureValidator(), asked("pods", new, **more))


def a_volume(host: str = "n", finalizers: tuple[str, ...] = ("roost.dev/local-path", "x"), **spec):
    wanted = {"key": "kubernetes.io/hostname", "operator": "In", "values": [host]}
    affinity = {"required": {"nodeSelectorTerms": [{"matchExpressions": [wanted]}]}}
    return {
        "metadata": {"name": "v", "finalizers": list(finalizers)},
        "spec": {"nodeAffinity": affinity, **spec},
    }


def test_a_node_lets_go_of_its_own_volumes_and_no_more(fault):
    refused = 'node "n" can only take "roost.dev/local-path" from the finalizers of its own volumes'
    path = "persistentvolumes"
    changed = {"operation": "UPDATE", "old": a_volume()}
    assert fault(path, a_volume(finalizers=("x",)), **changed) == ""
    assert fault(path, a_volume(finalizers=()), **changed) == refused
    assert fault(path, a_volume(finalizers=("x",), claimRef={}), **changed) == refused
    others = {"operation": "UPDATE", "old": a_volume("m")}
    assert fault(path, a_volume("m", finalizers=("x",)), **others) == refused
    assert fault(path, a_volume()) == ('node "n" can only update the finalizers of its own volumes')
