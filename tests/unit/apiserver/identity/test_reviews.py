"""Reviews and token requests, with the answers of a real server."""

from __future__ import annotations

import asyncio

import jwt
import pytest

from roost.api.errors import BadRequest, Conflict, Forbidden, Invalid, NotFound
from roost.api.kind import Kind
from roost.apiserver.access.bootstrap.objects import starting_objects
from roost.apiserver.attributes import Call, User
from roost.apiserver.authorizer import Authorizer
from roost.apiserver.reviews import handlers

LOW = User(
    "system:serviceaccount:ns:low",
    ("system:serviceaccounts", "system:serviceaccounts:ns", "system:authenticated"),
    "sa-1",
)
Z = "authorization.k8s.io"
N = "authentication.k8s.io"
RBAC = "rbac.authorization.k8s.io/v1"


@pytest.fixture
def post(authenticator, keys, objects, clock, ids):
    authorizer = Authorizer()
    for _, obj in starting_objects():
        authorizer.put(obj)
    rules = [{"verbs": ["get"], "apiGroups": [""], "resources": ["secrets"]}]
    place = {"namespace": "ns", "name": "low"}
    authorizer.put({"kind": "Role", "apiVersion": RBAC, "metadata": place, "rules": rules})
    authorizer.put(
        {
            "kind": "RoleBinding", "apiVersion": RBAC, "metadata": place,
            "roleRef": {"kind": "Role", "name": "low"},
            "subjects": [{"kind": "ServiceAccount", "name": "low", "namespace": "ns"}],
        }
    )  # fmt: skip
    table = handlers(authenticator, authorizer, keys, objects, clock, ids)

    def send(group, plural, body, *, user=LOW, subresource="", name="", namespace="ns"):
        kind = Kind(group, "v1", plural, plural, namespaced=False, schema="")
        call = Call(kind, subresource, user, namespace, name, body)
        return asyncio.run(table[group, plural, subresource](call))

    return send


def test_a_subject_by_name_alone(post):
    asked = {"verb": "get", "resource": "secrets", "namespace": "ns"}
    spec = {"user": "system:serviceaccount:ns:low", "resourceAttributes": asked}
    answer = post(Z, "subjectaccessreviews", {"spec": spec})
    assert answer["spec"] == spec
    assert answer["status"] == {
        "allowed": True,
        "reason": 'RBAC: allowed by RoleBinding "low/ns" of Role "low" to ServiceAccount "low/ns"',
    }
    spec["resourceAttributes"] = {**asked, "verb": "list"}
    assert post(Z, "subjectaccessreviews", {"spec": spec})["status"] == {"allowed": False}


def test_self(post):
    asked = {"verb": "get", "resource": "secrets", "namespace": "ns"}
    body = {"spec": {"resourceAttributes": asked}}
    assert post(Z, "selfsubjectaccessreviews", body)["status"]["allowed"]
    body = {"spec": {"nonResourceAttributes": {"path": "/metrics", "verb": "get"}}}
    assert post(Z, "selfsubjectaccessreviews", body)["status"] == {"allowed": False}


@pytest.mark.parametrize(
    ("plural", "spec", "field", "message"),
    [
        ("selfsubjectaccessreviews", {}, "spec.resourceAttributes",
         ("Invalid value: null: exactly one of nonResourceAttributes or resourceAttributes must be"
         " specified")),
        ("selfsubjectaccessreviews",
         {"resourceAttributes": {}, "nonResourceAttributes": {"path": "/x", "verb": "get"}},
         "spec.nonResourceAttributes",
         ('Invalid value: {"Path":"/x","Verb":"get"}: cannot be specified in combination with'
         " resourceAttributes")),
        ("subjectaccessreviews", {"resourceAttributes": {}}, "spec.user",
         'Invalid value: "": at least one of user or group must be specified'),
        ("localsubjectaccessreviews",
         {"user": "u", "resourceAttributes": {"namespace": "other"}},
         "spec.resourceAttributes.namespace",
         'Invalid value: "other": must match metadata.namespace'),
    ],
)  # fmt: skip
def test_faults(post, plural, spec, field, message):
    with pytest.raises(Invalid) as error:
        post(Z, plural, {"spec": spec})
    assert error.value.message == f'.{Z} "" is invalid: {field}: {message}'
    assert error.value.details == {
        "group": Z,
        "causes": [{"reason": "FieldValueInvalid", "message": message, "field": field}],
    }


def test_rules(post):
    answer = post(Z, "selfsubjectrulesreviews", {"spec": {"namespace": "ns"}})
    assert answer["spec"] == {}
    assert answer["status"]["incomplete"] is False
    assert {"verbs": ["get"], "apiGroups": [""], "resources": ["secrets"]} in answer["status"][
        "resourceRules"
    ]
    with pytest.raises(BadRequest, match="no namespace on request"):
        post(Z, "selfsubjectrulesreviews", {"spec": {}})


def test_who_am_i(post):
    user = User("jane", ("devs",), "u-1", {"scope": ("s",)})
    answer = post(N, "selfsubjectreviews", {}, user=user)
    assert answer["status"]["userInfo"] == {
        "username": "jane", "uid": "u-1", "groups": ["devs"], "extra": {"scope": ["s"]},
    }  # fmt: skip
    assert "spec" not in answer


def token_of(post, spec=None, **more):
    body = {"spec": spec} if spec is not None else {}
    return post("", "serviceaccounts", body, subresource="token", name="low", **more)


def test_a_token_is_made_and_reviewed(post, clock):
    answer = token_of(post)
    assert answer["spec"] == {
        "audiences": ["https://kubernetes.default.svc.cluster.local"],
        "expirationSeconds": 3600,
        "boundObjectRef": None,
    }
    assert answer["status"]["expirationTimestamp"] == "2027-01-15T09:00:00Z"
    spec = {"token": answer["status"]["token"]}
    status = post(N, "tokenreviews", {"spec": spec})["status"]
    assert status["authenticated"]
    assert status["user"]["username"] == LOW.name
    assert status["audiences"] == ["https://kubernetes.default.svc.cluster.local"]


def test_bad_tokens_are_reviewed(post):
    status = post(N, "tokenreviews", {"spec": {"token": "bad"}})["status"]
    assert status == {"user": {}, "error": "invalid bearer token"}
    with pytest.raises(BadRequest, match="token is required for TokenReview in authentication"):
        post(N, "tokenreviews", {"spec": {}})


def test_a_token_bound_to_a_pod_carries_it_and_its_node(post, objects):
    metadata = {"name": "p", "namespace": "ns", "uid": "p-1"}
    spec = {"serviceAccountName": "low", "nodeName": "n"}
    objects.put("pods", {"metadata": metadata, "spec": spec})
    objects.put("nodes", {"metadata": {"name": "n", "uid": "n-1"}})
    reference = {"kind": "Pod", "apiVersion": "v1", "name": "p", "uid": "p-1"}
    token = token_of(post, {"boundObjectRef": reference})["status"]["token"]
    claims = jwt.decode(token, options={"verify_signature": False})["kubernetes.io"]
    assert claims["pod"] == {"name": "p", "uid": "p-1"}
    assert claims["node"] == {"name": "n", "uid": "n-1"}
    with pytest.raises(Conflict) as error:
        token_of(post, {"boundObjectRef": {**reference, "uid": "nope"}})
    assert error.value.message == (
        'Operation cannot be fulfilled on Pod "p": the UID in the bound object reference (nope)'
        " does not match the UID in record. The object might have been deleted and then recreated"
    )
    spec["serviceAccountName"] = "other"
    with pytest.raises(BadRequest, match="different serviceaccount name"):
        token_of(post, {"boundObjectRef": reference})


@pytest.mark.parametrize(
    ("spec", "error", "message"),
    [
        ({"expirationSeconds": 10}, Invalid,
         ('TokenRequest.authentication.k8s.io "" is invalid: spec.expirationSeconds: Invalid value:'
         " 10: may not specify a duration less than 10 minutes")),
        ({"expirationSeconds": 5000000000}, Invalid,
         ('TokenRequest.authentication.k8s.io "" is invalid: spec.expirationSeconds: Invalid value:'
         " 5000000000: may not specify a duration larger than 2^32 seconds")),
        ({"boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": "q"}}, NotFound,
         'pods "q" not found'),
        ({"boundObjectRef": {"kind": "Service", "apiVersion": "v1", "name": "q"}}, BadRequest,
         "cannot bind token to object of type /v1, Kind=Service"),
        ({"boundObjectRef": {"kind": "Pod"}}, BadRequest, "Name parameter required."),
        ({"boundObjectRef": {}}, BadRequest, "cannot bind token to object of type /, Kind="),
        ({"boundObjectRef": {"kind": "Node", "apiVersion": "v9", "name": "q"}}, NotFound,
         'nodes "q" not found'),
    ],
)  # fmt: skip
def test_token_requests_that_fail(post, spec, error, message):
    with pytest.raises(error) as refusal:
        token_of(post, spec)
    assert refusal.value.message == message


def test_a_token_is_for_the_account_that_was_meant(post):
    def ask(uid: str) -> dict:
        body = {"metadata": {"uid": uid}}
        return post("", "serviceaccounts", body, subresource="token", name="low")

    uid = ask("")["metadata"]["uid"]
    assert ask(uid)["metadata"]["uid"] == uid
    with pytest.raises(Conflict) as error:
        ask("gone")
    assert error.value.message == (
        'Operation cannot be fulfilled on TokenRequest.authentication.k8s.io "low": the UID in'
        f" the token request (gone) does not match the UID of the service account ({uid})"
    )


def test_a_token_request_for_another_account(post):
    with pytest.raises(Invalid) as error:
        post(
            "", "serviceaccounts", {"metadata": {"name": "x"}}, subresource="token", name="default"
        )
    assert error.value.message == (
        'TokenRequest.authentication.k8s.io "default" is invalid: metadata.name: Invalid value:'
        ' "x": must match the service account name if specified'
    )
    with pytest.raises(NotFound, match='serviceaccounts "none" not found'):
        post("", "serviceaccounts", {}, subresource="token", name="none")


def test_a_node_gets_tokens_only_for_its_pods(post):
    node = User("system:node:n", ("system:nodes",))
    with pytest.raises(Forbidden) as error:
        token_of(post, {}, user=node)
    assert error.value.message == (
        'serviceaccounts "low" is forbidden: node requested token not bound to a pod'
    )
