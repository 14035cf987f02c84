"""What a node may, over the wire, with a certificate that it asked for itself."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from cluster_scene import eventually
from roost.apiserver.pki.files import Identity
from wire import Caller

pytestmark = pytest.mark.slow
SPACE = "/api/v1/namespaces/default"
REQUESTS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"


@pytest.fixture(scope="module")
def node(admin: Caller) -> Iterator[Caller]:
    """Node n1, registered, with one pod that uses the Secret `used`."""
    caller = admin.certified(certificate_of(admin, "n1"))
    caller.made("/api/v1/nodes", node_object("n1"))
    for name in ("used", "unused"):
        admin.made(f"{SPACE}/secrets", {"apiVersion": "v1", "kind": "Secret",
                                        "metadata": {"name": name}})  # fmt: skip
    admin.made(f"{SPACE}/pods", pod_object("mine", "n1"))
    admin.made(f"{SPACE}/pods", pod_object("theirs", "n2"))
    yield caller
    for name in ("mine", "theirs"):
        admin.ask("DELETE", f"{SPACE}/pods/{name}?gracePeriodSeconds=0")
    admin.ask("DELETE", "/api/v1/nodes/n1")


def certificate_of(admin: Caller, name: str) -> Identity:
    """Go the way of a node: a key, a request, a certificate. (Who may ask is approved by itself.)"""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, "system:nodes"),
        x509.NameAttribute(NameOID.COMMON_NAME, f"system:node:{name}"),
    ])  # fmt: skip
    request = x509.CertificateSigningRequestBuilder().subject_name(subject)
    pem = request.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    admin.made(REQUESTS, {
        "apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest",
        "metadata": {"name": f"node-{name}"},
        "spec": {
            "signerName": "kubernetes.io/kube-apiserver-client-kubelet",
            "usages": ["digital signature", "client auth"],
            "request": base64.b64encode(pem).decode(),
        },
    })  # fmt: skip
    path = f"{REQUESTS}/node-{name}"
    text = eventually(lambda: admin.get(path).body["status"].get("certificate"), 20)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return Identity(base64.b64decode(text), private)


def node_object(name: str, **labels: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}}


def pod_object(name: str, node: str, **more: Any) -> dict[str, Any]:
    volume = {"name": "s", "secret": {"secretName": "used"}}
    spec = {"nodeName": node, "containers": [{"name": "main", "image": "x"}], "volumes": [volume]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, **more}, "spec": spec}


def test_it_is_known_as_a_node(node: Caller):
    info = node.whoami()
    assert info["username"] == "system:node:n1"
    assert info["groups"] == ["system:nodes", "system:authenticated"]


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", f"{SPACE}/secrets/used", 200),
        ("GET", f"{SPACE}/secrets/unused", 403),
        ("GET", f"{SPACE}/secrets", 403),
        ("GET", f"{SPACE}/secrets?fieldSelector=metadata.name%3Dused", 200),
        ("GET", "/api/v1/nodes/n1", 200),
        ("GET", "/api/v1/nodes", 403),
        ("GET", "/api/v1/pods?fieldSelector=spec.nodeName%3Dn1", 200),
        ("GET", "/api/v1/pods", 403),
        ("GET", f"{SPACE}/pods/mine", 200),
        ("GET", f"{SPACE}/pods/theirs", 403),
        ("DELETE", f"{SPACE}/pods/theirs", 403),
        ("DELETE", "/api/v1/nodes/n1", 403),
        ("GET", "/api/v1/namespaces/kube-node-lease/leases", 403),
        ("GET", "/apis/rbac.authorization.k8s.io/v1/clusterroles", 403),
    ],
)
def test_what_it_may_read_and_remove(node: Caller, method: str, path: str, code: int):
    answer = node.ask(method, path)
    assert answer.code == code, answer


def test_leases_are_its_own_alone(node: Caller):
    def lease(name: str) -> dict[str, Any]:
        return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
                "metadata": {"name": name, "namespace": "kube-node-lease"},
                "spec": {"holderIdentity": name}}  # fmt: skip

    path = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
    assert node.ask("POST", path, lease("n1")).code == 201
    assert node.ask("POST", path, lease("n2")).code == 403


def test_it_cannot_give_itself_what_is_restricted(node: Caller):
    patch = {"metadata": {"labels": {"node-restriction.kubernetes.io/zone": "a"}}}
    kind = {"Content-Type": "application/merge-patch+json"}
    answer = node.ask("PATCH", "/api/v1/nodes/n1", patch, **kind)
    assert answer.code == 403
    assert (
        "is not allowed to modify labels: node-restriction.kubernetes.io/zone"
        in (answer.body["message"])
    )
    fine = {"metadata": {"labels": {"example.com/zone": "a"}}}
    assert node.ask("PATCH", "/api/v1/nodes/n1", fine, **kind).code == 200
    taint = {"spec": {"taints": [{"key": "a", "effect": "NoSchedule"}]}}
    assert node.ask("PATCH", "/api/v1/nodes/n1", taint, **kind).code == 403
    assert node.ask("POST", "/api/v1/nodes", node_object("n2")).code == 403


def test_it_makes_mirror_pods_of_its_own_and_no_others(node: Caller, admin: Caller):
    plain = pod_object("made", "n1")
    answer = node.ask("POST", f"{SPACE}/pods", plain)
    assert answer.code == 403
    assert "can only create mirror pods" in answer.body["message"]
    other = pod_object("mirror", "n2", annotations={"kubernetes.io/config.mirror": "x"})
    del other["spec"]["volumes"]
    assert node.ask("POST", f"{SPACE}/pods", other).code == 403


def test_it_gets_tokens_for_its_pods_only(node: Caller, admin: Caller):
    path = f"{SPACE}/serviceaccounts/default/token"

    def asked(pod: str) -> int:
        uid = admin.get(f"{SPACE}/pods/{pod}").body["metadata"]["uid"]
        ref = {"apiVersion": "v1", "kind": "Pod", "name": pod, "uid": uid}
        return node.ask("POST", path, {
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
            "spec": {"boundObjectRef": ref},
        }).code  # fmt: skip

    assert asked("mine") == 201
    assert asked("theirs") == 403
    unbound = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    assert node.ask("POST", path, unbound).code == 403
