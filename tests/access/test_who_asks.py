"""Who asks, over the wire: every credential that a server accepts, and what it makes of bad ones."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest

from bare_server import BareServer
from cluster_scene import clean_environment, eventually
from roost.apiserver.pki.authority import Authority
from token_issuer import TokenIssuer
from wire import Answer, Caller, authority

pytestmark = pytest.mark.slow


def test_nobody_may_ask_how_the_server_is_and_no_more(nobody: Caller):
    for path in ("/healthz", "/livez", "/readyz", "/version"):
        assert nobody.get(path).code == 200, path
    for path in ("/api", "/apis", "/metrics", "/openapi/v2", "/api/v1/namespaces"):
        answer = nobody.get(path)
        assert (answer.code, answer.body["reason"]) == (403, "Forbidden"), path
        assert 'User "system:anonymous" cannot' in answer.body["message"]
    assert nobody.bearer("wrong").get("/healthz").code == 401


def test_a_certificate_of_another_authority_is_nobodys(nobody: Caller):
    stranger = authority("stranger").client("a", ["system:masters"])
    with pytest.raises(OSError):
        nobody.certified(stranger).get("/version")


def test_tokens_of_an_outside_issuer(nobody: Caller, issuer: TokenIssuer):
    ann = nobody.bearer(issuer.token(tenant="us", groups=["crew"]))
    info = ann.whoami()
    assert info["username"] == "outside:ann"
    assert info["groups"] == ["crew", "system:authenticated"]
    assert nobody.bearer(issuer.token(tenant="them")).whoami() == 401
    assert nobody.bearer(issuer.token()).whoami() == 401
    assert nobody.bearer(issuer.token(tenant="us", aud="other")).whoami() == 401
    assert nobody.bearer(issuer.token(tenant="us", exp=1_000_000)).whoami() == 401
    assert nobody.bearer(issuer.token(tenant="us", iss="https://else")).whoami() == 401
    # The documents are fetched once, over TLS, not with each request.
    assert issuer.asked.count("/keys") <= 2


def test_a_proxy_says_who_asks(nobody: Caller, proxies: Authority):
    said = {"X-Remote-User": "bea", "X-Remote-Group": ["a", "b"], "X-Remote-Uid": "7",
            "X-Remote-Extra-Scopes": "x"}  # fmt: skip
    front = nobody.certified(proxies.client("front")).as_(**said)
    info = front.whoami()
    assert (info["username"], info["uid"]) == ("bea", "7")
    assert info["groups"] == ["a", "b", "system:authenticated"]
    assert info["extra"]["scopes"] == ["x"]
    # A name that is not allowed, and headers from somebody who is no proxy.
    assert nobody.certified(proxies.client("other")).as_(**said).whoami() == 401
    assert nobody.as_(**said).whoami() == 403
    # A proxy's certificate makes nobody a user by itself.
    assert nobody.certified(proxies.client("front", ["system:masters"])).whoami() == 401


def test_acting_as_somebody_else_is_allowed_part_by_part_and_audited(
    admin: Caller, nobody: Caller, issuer: TokenIssuer, audit_log: Path
):
    other = admin.as_(**{
        "Impersonate-User": "cy", "Impersonate-Group": ["g1", "g2"], "Impersonate-Uid": "u-1",
        "Impersonate-Extra-Scopes": "s",
    })  # fmt: skip
    info = other.whoami()
    assert (info["username"], info["uid"], info["extra"]) == ("cy", "u-1", {"scopes": ["s"]})
    assert info["groups"] == ["g1", "g2", "system:authenticated"]
    marker = uuid.uuid4().hex
    assert other.get(f"/api/v1/namespaces/default/configmaps/{marker}").code == 403

    events = eventually(lambda: audited(audit_log, marker), 10)
    event = next(one for one in events if one["stage"] == "ResponseComplete")
    assert event["user"]["username"] == "kubernetes-admin"
    assert event["impersonatedUser"]["username"] == "cy"
    assert event["impersonatedUser"]["groups"] == ["g1", "g2", "system:authenticated"]
    assert event["responseStatus"]["code"] == 403

    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
        "metadata": {"name": "may-be-cy"},
        "rules": [{"apiGroups": [""], "resources": ["users"], "verbs": ["impersonate"],
                   "resourceNames": ["cy"]}],
    }  # fmt: skip
    bind(admin, role, "outside:dee")
    dee = nobody.bearer(issuer.token(tenant="us", sub="dee"))
    assert dee.as_(Impersonate_User="cy").whoami()["username"] == "cy"
    for part in ({"Impersonate-User": "root"}, {"Impersonate-Group": "g1"},
                 {"Impersonate-Uid": "1"}, {"Impersonate-Extra-Scopes": "s"}):  # fmt: skip
        refused = dee.as_(**{"Impersonate-User": "cy", **part}).whoami()
        assert refused == 403, part
    assert dee.as_(Impersonate_Group="g1").whoami() in (400, 403, 500)


def bind(admin: Caller, role: dict[str, Any], user: str) -> None:
    """Make a ClusterRole and give it to a user."""
    rbac = "/apis/rbac.authorization.k8s.io/v1"
    name = role["metadata"]["name"]
    admin.made(f"{rbac}/clusterroles", role)
    admin.made(f"{rbac}/clusterrolebindings", {
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
        "subjects": [{"kind": "User", "name": user, "apiGroup": "rbac.authorization.k8s.io"}],
    })  # fmt: skip


def audited(log: Path, word: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines() if word in line]


def test_bootstrap_tokens(admin: Caller, nobody: Caller):
    def text(value: str) -> str:
        return base64.b64encode(value.encode()).decode()

    secret = {
        "apiVersion": "v1", "kind": "Secret", "type": "bootstrap.kubernetes.io/token",
        "metadata": {"name": "bootstrap-token-abcdef", "namespace": "kube-system"},
        "data": {
            "token-id": text("abcdef"), "token-secret": text("0123456789abcdef"),
            "usage-bootstrap-authentication": text("true"),
            "auth-extra-groups": text("system:bootstrappers:workers"),
        },
    }  # fmt: skip
    admin.made("/api/v1/namespaces/kube-system/secrets", secret)
    info = nobody.bearer("abcdef.0123456789abcdef").whoami()
    assert info["username"] == "system:bootstrap:abcdef"
    assert info["groups"] == [
        "system:bootstrappers", "system:bootstrappers:workers", "system:authenticated",
    ]  # fmt: skip
    assert nobody.bearer("abcdef.0123456789abcdex").whoami() == 401
    path = "/api/v1/namespaces/kube-system/secrets/bootstrap-token-abcdef"
    admin.ask("DELETE", path)
    assert not reviewed(admin, "abcdef.0123456789abcdef").get("authenticated")


def reviewed(admin: Caller, token: str) -> dict[str, Any]:
    """Return what a token is worth, which no cache answers."""
    review = {
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token},
    }  # fmt: skip
    found = admin.made("/apis/authentication.k8s.io/v1/tokenreviews", review)
    status: dict[str, Any] = found["status"]
    return status


def test_tokens_of_the_token_file(server: BareServer, nobody: Caller, admin: Caller):
    def roost(*argv: str) -> str:
        return subprocess.run(
            [sys.executable, "-m", "roost", "token", *argv, "--data-dir", str(server.data)],
            capture_output=True, text=True, check=True, env=clean_environment(),
        ).stdout.strip()  # fmt: skip

    token = roost("create", "--user", "eve", "--group", "crew")
    info = nobody.bearer(token).whoami()
    assert (info["username"], info["groups"]) == ("eve", ["crew", "system:authenticated"])
    assert token.encode() not in (server.data / "server" / "tokens.json").read_bytes()
    (entry,) = [one for one in json.loads(roost("list", "-o", "json")) if one["user"] == "eve"]
    roost("delete", entry["id"])
    assert not reviewed(admin, token).get("authenticated")


class TestBoundTokens:
    """Tokens of service accounts that are bound to a pod."""

    space = "/api/v1/namespaces/default"

    def pod(self, admin: Caller) -> str:
        name = f"p-{uuid.uuid4().hex[:8]}"
        spec = {"containers": [{"name": "main", "image": "x"}]}
        admin.made(f"{self.space}/pods", {
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec,
        })  # fmt: skip
        return name

    def token(self, admin: Caller, **spec: Any) -> str:
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        answer = admin.made(f"{self.space}/serviceaccounts/default/token", request)
        token: str = answer["status"]["token"]
        return token

    def test_it_is_worth_nothing_once_the_pod_is_gone(self, admin: Caller, nobody: Caller):
        name = self.pod(admin)
        bound = {"boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": name}}
        used, unused = self.token(admin, **bound), self.token(admin, **bound)
        info = nobody.bearer(used).whoami()
        assert info["username"] == "system:serviceaccount:default:default"
        assert info["extra"]["authentication.kubernetes.io/pod-name"] == [name]
        gone = admin.ask("DELETE", f"{self.space}/pods/{name}?gracePeriodSeconds=0")
        assert gone.code == 200
        assert nobody.bearer(unused).whoami() == 401
        assert not reviewed(admin, used).get("authenticated")

    def test_a_token_for_somebody_else_is_not_for_this_server(self, admin: Caller, nobody: Caller):
        token = self.token(admin, audiences=["vault"])
        assert nobody.bearer(token).whoami() == 401
        assert self.token(admin) != token

    def test_a_token_for_a_pod_that_is_another_is_refused(self, admin: Caller):
        name = self.pod(admin)
        ref = {"apiVersion": "v1", "kind": "Pod", "name": name, "uid": "another"}
        request = {
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
            "spec": {"boundObjectRef": ref},
        }  # fmt: skip
        answer: Answer = admin.ask("POST", f"{self.space}/serviceaccounts/default/token", request)
        assert (answer.code, answer.body["reason"]) == (409, "Conflict")


def test_a_secret_holds_a_token_that_lives_as_long_as_it_and_its_account(
    admin: Caller, nobody: Caller
):
    space = "/api/v1/namespaces/default"
    admin.made(f"{space}/serviceaccounts", {
        "apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "old-style"},
    })  # fmt: skip

    def token(name: str) -> str:
        admin.made(f"{space}/secrets", {
            "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/service-account-token",
            "metadata": {
                "name": name, "annotations": {"kubernetes.io/service-account.name": "old-style"},
            },
        })  # fmt: skip
        data = eventually(lambda: admin.get(f"{space}/secrets/{name}").body.get("data"), 10)
        assert sorted(data) == ["ca.crt", "namespace", "token"]
        assert base64.b64decode(data["ca.crt"]).decode().strip() == admin.ca.strip()
        return base64.b64decode(data["token"]).decode()

    one, two = token("one"), token("two")
    info = nobody.bearer(one).whoami()
    assert info["username"] == "system:serviceaccount:default:old-style"
    assert info["groups"][:2] == ["system:serviceaccounts", "system:serviceaccounts:default"]
    assert reviewed(admin, two)["authenticated"]
    admin.ask("DELETE", f"{space}/secrets/one")
    refused = reviewed(admin, one)
    assert (refused.get("authenticated"), refused["error"]) == (
        None, "[invalid bearer token, Token has been invalidated]",
    )  # fmt: skip
    admin.ask("DELETE", f"{space}/serviceaccounts/old-style")
    assert not reviewed(admin, two).get("authenticated")
