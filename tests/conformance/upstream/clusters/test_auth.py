"""[sig-auth] of Kubernetes' conformance tests that need only the API."""

from __future__ import annotations

import base64

import pytest
from certificates import self_signed
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from discovery import check_discovery
from e2eimages import NOWHERE
from framework import Framework
from kinds import (
    ACCESS_REVIEWS,
    CONFIG_MAPS,
    CSRS,
    LOCAL_ACCESS_REVIEWS,
    PODS,
    SERVICE_ACCOUNTS,
    TOKEN_REVIEWS,
)
from typedclient import MERGE, PROTOBUF, STRATEGIC, GoClient, Kind, until

pytestmark = pytest.mark.slow
_TOKEN_REQUESTS = Kind("authentication.k8s.io/v1", "TokenRequest", "tokenrequests")


def signing_request() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "e2e.example.com")])
    names = x509.SubjectAlternativeName([x509.DNSName("e2e.example.com")])
    made = x509.CertificateSigningRequestBuilder().subject_name(name)
    signed = made.add_extension(names, critical=False).sign(key, hashes.SHA256())
    return base64.b64encode(signed.public_bytes(serialization.Encoding.PEM)).decode()


def test_certificate_signing_requests(f: Framework):
    """Certificates API should support CSR API operations"""
    check_discovery(
        f.client, "certificates.k8s.io/v1", "certificatesigningrequests",
        "certificatesigningrequests/approval", "certificatesigningrequests/status",
    )  # fmt: skip
    requests, dynamic = f.typed(CSRS), f.dynamic(CSRS)
    signer = f"example.com/e2e-{f.unique}"
    by_signer = f"spec.signerName={signer}"
    template = {
        "metadata": {"generateName": "e2e-example-csr-"},
        "spec": {
            "request": signing_request(),
            "signerName": signer,
            "expirationSeconds": 3600,
            "usages": ["digital signature", "key encipherment", "server auth"],
        },
    }
    made = [requests.create(template) for _ in range(3)][-1]
    name, uid = made["metadata"]["name"], made["metadata"]["uid"]
    got = requests.get(name)
    assert (got["metadata"]["uid"], got["spec"]["expirationSeconds"]) == (uid, 3600)
    listed = requests.list(fields=by_signer)
    assert len(listed["items"]) == 3
    version = listed["metadata"]["resourceVersion"]
    with requests.watch(fields=f"metadata.name={name}", version=version) as watch:
        patched = requests.patch(name, {"metadata": {"annotations": {"patched": "true"}}}, MERGE)
        patched["metadata"]["annotations"]["updated"] = "true"
        assert requests.update(patched)["metadata"]["annotations"]["updated"] == "true"
        event, value = watch.next()
        assert event == "MODIFIED"
        assert value["metadata"]["annotations"]["patched"] == "true"

    read = dynamic.get(name, "approval")
    assert (read["kind"], read["metadata"]["uid"]) == ("CertificateSigningRequest", uid)
    patch = {
        "metadata": {"annotations": {"patchedapproval": "true"}},
        "status": {"conditions": [{"type": "ApprovalPatch", "status": "True", "reason": "e2e"}]},
    }
    current = requests.patch(name, patch, MERGE, "approval")
    assert [c["type"] for c in current["status"]["conditions"]] == ["ApprovalPatch"]
    assert current["metadata"]["annotations"]["patchedapproval"] == "true"
    condition = {"status": "True", "reason": "E2E", "message": "Set from an e2e test"}
    current["status"]["conditions"].append({"type": "Approved", **condition})
    current = requests.update(current, "approval")
    assert [c["type"] for c in current["status"]["conditions"]] == ["ApprovalPatch", "Approved"]

    read = dynamic.get(name, "status")
    assert (read["kind"], read["metadata"]["uid"]) == ("CertificateSigningRequest", uid)
    issued, _ = self_signed("e2e.example.com")
    patch = {
        "metadata": {"annotations": {"patchedstatus": "true"}}, "status": {"certificate": issued}
    }  # fmt: skip
    current = requests.patch(name, patch, MERGE, "status")
    assert current["status"]["certificate"] == issued
    assert current["metadata"]["annotations"]["patchedstatus"] == "true"
    current["status"]["conditions"].append({"type": "StatusUpdate", **condition})
    current = requests.update(current, "status")
    assert len(current["status"]["conditions"]) == 3
    assert current["status"]["conditions"][-1]["type"] == "StatusUpdate"
    requests.delete(name)
    assert not requests.exists(name)
    assert len(requests.items(fields=by_signer)) == 2
    requests.delete_collection(fields=by_signer)
    assert requests.items(fields=by_signer) == []


@pytest.mark.parametrize("of_pod", [None, True, False])
@pytest.mark.parametrize("of_account", [None, True, False])
def test_automount(f: Framework, of_account: bool | None, of_pod: bool | None):
    """ServiceAccounts should allow opting out of API token automount"""
    account = {"metadata": {"name": "sa"}}
    if of_account is not None:
        account["automountServiceAccountToken"] = of_account  # type: ignore[assignment] - a bool
    until(lambda: f.typed(SERVICE_ACCOUNTS).get("default"))
    f.typed(SERVICE_ACCOUNTS).create(account)
    spec = {
        "containers": [{"name": "token-test", "image": NOWHERE}],
        "restartPolicy": "Never",
        "serviceAccountName": "sa",
    }
    if of_pod is not None:
        spec["automountServiceAccountToken"] = of_pod
    made = f.typed(PODS).create({"metadata": {"name": "pod-service-account"}, "spec": spec})
    mounts = made["spec"]["containers"][0].get("volumeMounts", [])
    at = [mount["mountPath"] for mount in mounts]
    wanted = of_pod if of_pod is not None else of_account is not False
    assert ("/var/run/secrets/kubernetes.io/serviceaccount" in at) is wanted


def test_token_review(f: Framework):
    """ServiceAccounts should create a serviceAccountToken and ensure a successful TokenReview"""
    account = f.typed(SERVICE_ACCOUNTS).create({"metadata": {"name": "e2e-sa"}})
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
            "metadata": {}, "spec": {"expirationSeconds": 600}}  # fmt: skip
    made = f.typed(SERVICE_ACCOUNTS).create(body, "token", "e2e-sa")
    token = made["status"]["token"]
    assert token
    assert made["status"]["expirationTimestamp"]
    review = f.typed(TOKEN_REVIEWS).create({"spec": {"token": token}})
    status = review["status"]
    assert status["authenticated"] is True
    assert not status.get("error")
    user = status["user"]
    assert user["username"] == f"system:serviceaccount:{f.namespace}:e2e-sa"
    assert user["uid"] == account["metadata"]["uid"]
    assert set(user["groups"]) >= {
        "system:serviceaccounts", f"system:serviceaccounts:{f.namespace}", "system:authenticated"
    }  # fmt: skip


def test_root_certificate(f: Framework):
    """ServiceAccounts should guarantee kube-root-ca.crt exist in any namespace"""
    maps, name = f.typed(CONFIG_MAPS), "kube-root-ca.crt"
    until(lambda: maps.exists(name))
    maps.delete(name, gracePeriodSeconds=0)
    until(lambda: maps.exists(name))
    maps.update({"metadata": {"name": name}, "data": {"ca.crt": ""}})
    until(lambda: maps.get(name)["data"].get("ca.crt"))


def test_service_account_lifecycle(f: Framework):
    """ServiceAccounts should run through the lifecycle of a ServiceAccount"""
    accounts, label = f.typed(SERVICE_ACCOUNTS), f"test-serviceaccount-static={f.unique}"
    made = accounts.create(
        {"metadata": {"name": "testserviceaccount",
                      "labels": {"test-serviceaccount-static": f.unique}}}
    )  # fmt: skip
    name = made["metadata"]["name"]
    assert accounts.get(name)["metadata"]["uid"] == made["metadata"]["uid"]
    with accounts.watch(label, timeoutSeconds=180) as watch:
        watch.until("ADDED")
        # What Go makes of a v1.ServiceAccount with this field.
        accounts.patch(name, {"metadata": {}, "automountServiceAccountToken": False}, STRATEGIC)
        watch.until("MODIFIED")
        [found] = f.typed(SERVICE_ACCOUNTS, "").items(label)
        assert found["metadata"]["namespace"] == f.namespace
        assert found["automountServiceAccountToken"] is False
        accounts.delete_collection()
        watch.until("DELETED")


def test_service_account_update(f: Framework):
    """ServiceAccounts should update a ServiceAccount"""
    accounts = f.typed(SERVICE_ACCOUNTS)
    made = accounts.create({"metadata": {"name": "sa"}, "automountServiceAccountToken": False})
    assert made["automountServiceAccountToken"] is False
    updated = accounts.retry("sa", lambda o: o.update(automountServiceAccountToken=True))
    assert updated["automountServiceAccountToken"] is True


def test_subject_reviews(f: Framework):
    """SubjectReview should support SubjectReview API operations"""
    account = f.typed(SERVICE_ACCOUNTS).create({"metadata": {"name": "e2e"}})
    user = f"system:serviceaccount:{f.namespace}:e2e"
    groups = ["system:authenticated", "system:serviceaccounts",
              f"system:serviceaccounts:{f.namespace}"]  # fmt: skip
    asked = {"verb": "list", "resource": "configmaps", "namespace": f.namespace, "version": "v1"}
    spec = {"resourceAttributes": asked, "user": user, "groups": groups,
            "uid": account["metadata"]["uid"]}  # fmt: skip
    answer = f.typed(ACCESS_REVIEWS).create({"spec": spec})

    class Impersonated(GoClient):
        def connect(self):
            connection = super().connect()
            put = connection.putheader

            def request(*args, **kwargs):
                return type(connection).request(connection, *args, **kwargs)

            def endheaders(*args, **kwargs):
                put("Impersonate-User", user)
                put("Impersonate-Uid", account["metadata"]["uid"])
                for group in groups:
                    put("Impersonate-Group", group)
                return type(connection).endheaders(connection, *args, **kwargs)

            connection.endheaders = endheaders
            return connection

    as_account = Impersonated(f.scene.kubeconfig)
    path = as_account.typed(CONFIG_MAPS, f.namespace).root
    code = as_account.send("GET", path, Accept=f"{PROTOBUF}, */*")[0]
    assert code in (200, 403)
    allowed = code == 200
    assert bool(answer["status"].get("allowed")) is allowed
    local = {"metadata": {"namespace": f.namespace}, "spec": {**spec, "user": "e2e"}}
    answer = f.typed(LOCAL_ACCESS_REVIEWS).create(local)
    assert bool(answer["status"].get("allowed")) is allowed
