"""Storage, ingress, certificates, escalation, and the order of it all."""

from __future__ import annotations

import asyncio
from base64 import b64encode

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from roost.api.errors import Forbidden, NotFound
from roost.apiserver.access.bootstrap.objects import starting_objects
from roost.apiserver.admission.certificates import (
    CertificateApproval,
    CertificateAuthor,
    CertificateSigning,
    CertificateSubjectRestriction,
)
from roost.apiserver.admission.chain import Chain, plugins
from roost.apiserver.admission.escalation import RBACEscalation
from roost.apiserver.admission.ingress import DefaultIngressClass
from roost.apiserver.admission.storage import (
    DefaultStorageClass,
    PersistentVolumeClaimResize,
    StorageObjectInUseProtection,
)
from roost.apiserver.attributes import User
from roost.apiserver.authorizer import Authorizer

LOW = User("low", ("system:authenticated",))
ROOT = User("root", ("system:masters",))
RBAC = "rbac.authorization.k8s.io"
CSRS = "certificates.k8s.io/certificatesigningrequests"


@pytest.fixture
def authorizer() -> Authorizer:
    made = Authorizer()
    for _, obj in starting_objects():
        made.put(obj)
    return made


@pytest.fixture
def allow(authorizer):
    """Give LOW a rule everywhere."""

    def give(verbs: list[str], resources: list[str], group: str = "", **more) -> None:
        rule = {"verbs": verbs, "apiGroups": [group], "resources": resources, **more}
        name = f"given-{authorizer.generation}"
        role = {"kind": "ClusterRole", "metadata": {"name": name}, "rules": [rule]}
        authorizer.put(role)
        authorizer.put(
            {
                "kind": "ClusterRoleBinding",
                "metadata": {"name": name},
                "roleRef": {"kind": "ClusterRole", "name": name},
                "subjects": [{"kind": "User", "name": "low"}],
            }
        )

    return give


# -- storage and ingress


def marked(name: str, made: str, prefix: str = "storageclass") -> dict:
    annotations = {f"{prefix}.kubernetes.io/is-default-class": "true"}
    return {
        "metadata": {"name": name, "creationTimestamp": made, "annotations": annotations},
        "allowVolumeExpansion": True,
    }


def claim(size: str = "1Gi", **spec) -> dict:
    resources = {"requests": {"storage": size}}
    return {"metadata": {"name": "c"}, "spec": {"resources": resources, **spec}}


def test_the_newest_default_class_is_taken(run, asked, objects):
    path = "persistentvolumeclaims"
    assert "storageClassName" not in run(DefaultStorageClass(), asked(path, claim()))["spec"]
    objects.put("storageclasses", marked("old", "2026-01-01T00:00:00Z"))
    objects.put("storageclasses", marked("new", "2026-02-01T00:00:00Z"))
    made = run(DefaultStorageClass(), asked(path, claim()))
    assert made["spec"]["storageClassName"] == "new"
    made = run(DefaultStorageClass(), asked(path, claim(storageClassName="")))
    assert made["spec"]["storageClassName"] == ""


def test_what_is_in_use_is_protected(run, asked):
    made = run(StorageObjectInUseProtection(), asked("persistentvolumeclaims", claim()))
    assert made["metadata"]["finalizers"] == ["kubernetes.io/pvc-protection"]
    volume = {"metadata": {"name": "v", "finalizers": ["kubernetes.io/pv-protection"]}}
    made = run(StorageObjectInUseProtection(), asked("persistentvolumes", volume))
    assert made["metadata"]["finalizers"] == ["kubernetes.io/pv-protection"]


def test_claims_grow_where_their_class_allows_it(run, asked, objects):
    old = {**claim("1Gi", storageClassName="s"), "status": {"phase": "Bound"}}
    bigger = claim("2Gi", storageClassName="s")
    path = "persistentvolumeclaims"
    with pytest.raises(Forbidden, match="only dynamically provisioned pvc can be resized"):
        run(PersistentVolumeClaimResize(), asked(path, bigger, operation="UPDATE", old=old))
    objects.put("storageclasses", marked("s", ""))
    run(PersistentVolumeClaimResize(), asked(path, bigger, operation="UPDATE", old=old))


def test_the_default_ingress_class(run, asked, objects):
    objects.put("ingressclasses", marked("nginx", "", "ingressclass"))
    path = "networking.k8s.io/ingresses"
    made = run(DefaultIngressClass(), asked(path, {"metadata": {"name": "i"}}))
    assert made["spec"] == {"ingressClassName": "nginx"}
    old = {"metadata": {"name": "i", "annotations": {"kubernetes.io/ingress.class": "x"}}}
    assert run(DefaultIngressClass(), asked(path, old))["spec"] == {}


# -- certificates


def csr(organization: str, signer: str = "kubernetes.io/kube-apiserver-client") -> dict:
    subject = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    made = builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    pem = made.public_bytes(serialization.Encoding.PEM)
    spec = {"signerName": signer, "request": b64encode(pem).decode()}
    return {"metadata": {"name": "x"}, "spec": spec}


def test_nobody_asks_for_masters(run, asked):
    run(CertificateSubjectRestriction(), asked(CSRS, csr("devs")))
    with pytest.raises(Forbidden, match="signer with system:masters group is not allowed"):
        run(CertificateSubjectRestriction(), asked(CSRS, csr("system:masters")))


def test_who_approves_needs_the_signer(run, asked, authorizer, allow):
    plugin = CertificateApproval(authorizer)
    old = csr("devs", "example.com/mine")
    more = {"operation": "UPDATE", "old": old, "subresource": "approval", "user": LOW}
    with pytest.raises(Forbidden) as error:
        run(plugin, asked(CSRS, old, **more))
    assert error.value.message == (
        'certificatesigningrequests.certificates.k8s.io "x" is forbidden: user not permitted to'
        ' approve requests with signerName "example.com/mine"'
    )
    allow(["approve"], ["signers"], "certificates.k8s.io", resourceNames=["example.com/*"])
    run(plugin, asked(CSRS, old, **more))


def test_who_signs_needs_the_signer(run, asked, authorizer):
    plugin = CertificateSigning(authorizer)
    old = csr("devs")
    more = {"operation": "UPDATE", "old": old, "subresource": "status", "user": LOW}
    run(plugin, asked(CSRS, {**old, "status": {"conditions": [{"type": "Odd"}]}}, **more))
    with pytest.raises(Forbidden, match="not permitted to sign"):
        run(plugin, asked(CSRS, {**old, "status": {"certificate": "eA=="}}, **more))


# -- escalation


def role(*rules: dict, kind: str = "Role", **more) -> dict:
    return {
        "kind": kind,
        "metadata": {"name": "r", "namespace": "ns"},
        "rules": list(rules),
        **more,
    }


def pods(*verbs: str) -> dict:
    return {"verbs": list(verbs), "apiGroups": [""], "resources": ["pods"]}


def test_a_role_gives_no_more_than_its_writer_holds(run, asked, authorizer, allow):
    plugin = RBACEscalation(authorizer)
    allow(["get"], ["pods"])
    path = f"{RBAC}/roles"
    run(plugin, asked(path, role(pods("get")), user=LOW))
    with pytest.raises(Forbidden) as error:
        run(plugin, asked(path, role(pods("get", "delete")), user=LOW))
    assert error.value.message == (
        'roles.rbac.authorization.k8s.io "r" is forbidden: user "low"'
        ' (groups=["system:authenticated"]) is attempting to grant RBAC permissions not currently'
        ' held:\n{APIGroups:[""], Resources:["pods"], Verbs:["delete"]}'
    )
    run(plugin, asked(path, role(pods("delete")), user=ROOT))
    same = role(pods("delete"))
    run(plugin, asked(path, same, user=LOW, operation="UPDATE", old=same))
    allow(["escalate"], ["roles"], RBAC)
    run(plugin, asked(path, role(pods("delete")), user=LOW))


def test_an_aggregated_role_may_come_to_hold_everything(run, asked, authorizer, allow):
    allow(["get"], ["pods"])
    rule = {"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]}
    wanted = role(pods("get"), kind="ClusterRole", aggregationRule=rule)
    with pytest.raises(Forbidden, match=r'APIGroups:\["\*"\]'):
        run(RBACEscalation(authorizer), asked(f"{RBAC}/clusterroles", wanted, user=LOW))


def test_a_binding_gives_no_more_than_its_writer_holds(run, asked, authorizer, allow):
    plugin = RBACEscalation(authorizer)
    authorizer.put(role(pods("get")))

    def bind(kind: str, name: str) -> None:
        body = {
            "metadata": {"name": "b"},
            "roleRef": {"kind": kind, "name": name},
            "subjects": [{"kind": "User", "name": "u"}],
        }
        run(plugin, asked(f"{RBAC}/rolebindings", body, user=LOW))

    with pytest.raises(Forbidden, match="not currently held"):
        bind("Role", "r")
    with pytest.raises(NotFound) as error:
        bind("Role", "absent")
    assert error.value.message == 'rolebindings.rbac.authorization.k8s.io "absent" not found'
    allow(["get"], ["pods"])
    bind("Role", "r")
    with pytest.raises(Forbidden):
        bind("ClusterRole", "admin")
    allow(["bind"], ["clusterroles"], RBAC, resourceNames=["admin"])
    bind("ClusterRole", "admin")


def test_a_certificate_request_says_who_made_it(asked, run):
    body = csr("devs")
    body["spec"] |= {"username": "somebody-else", "groups": ["system:masters"], "uid": "forged"}
    request = asked(CSRS, body)
    run(CertificateAuthor(), request)
    spec = request.object["spec"]
    assert spec["username"] == request.user.name
    assert spec.get("groups", []) == list(request.user.groups)
    assert spec.get("uid", "") == request.user.uid


# -- the chain


async def never(quota: dict) -> dict:
    raise AssertionError(quota)


def test_the_order(authorizer, chance):
    names = [plugin.name for plugin in plugins(authorizer, chance, never)]
    assert names.index("NamespaceLifecycle") == 0
    assert names.index("LimitRanger") < names.index("ServiceAccount") < names.index("PodSecurity")
    assert names[-3:] == ["ResourceQuota", "RBACEscalation", "DeviceAdminAccess"]
    assert len(set(names)) == len(names)


def test_the_chain_does_what_all_plugins_do(asked, pod, objects, authorizer, chance):
    members = plugins(authorizer, chance, never)
    one, all_of_them = asked("pods", pod()), asked("pods", pod())

    async def both() -> None:
        chain = Chain(members)
        await chain.admit(one, objects)
        await chain.validate(one, objects)
        for plugin in members:
            await plugin.admit(all_of_them, objects)
        for plugin in members:
            await plugin.validate(all_of_them, objects)

    asyncio.run(both())
    assert one.object == all_of_them.object
    spec = one.object["spec"]
    assert spec["serviceAccountName"] == "default"
    assert spec["priority"] == 0
    assert len(spec["tolerations"]) == 2
